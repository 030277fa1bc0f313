-- Seats for many members, in the order in which they come.
SELECT n.member_id, musterd.seat(
    n.member_id, n.namespace, n."group", n.name, n.zone, n.owner, n.metadata::jsonb, n.key, $10, false,
    n.mac)
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::integer[], $9::bytea[]
) n (member_id, namespace, "group", name, zone, owner, metadata, key, mac)
