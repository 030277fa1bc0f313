-- A page of the roster. What is longer than it may be is not even read (1020 and 32768 bytes, as the
-- tables have it), and texts that nobody will look at are not sent. What is stored in 1000 bytes need
-- not be measured as text: it is 90 kB at most.
SELECT slot, version, member_id, ours, fits, "group", name, zone, owner, mac,
    CASE WHEN fits THEN metadata::text END AS metadata
FROM (
    SELECT slot, changed, changed::text AS version, member_id,
        member_id IS NOT NULL AND namespace = $1 AS ours,
        CASE WHEN octet_length("group") > 1020 OR octet_length(name) > 1020
                OR octet_length(zone) > 1020 OR octet_length(owner) > 1020
                THEN false
            WHEN pg_column_size(metadata) <= 1000 THEN true
            WHEN pg_column_size(metadata) > 32768 THEN false
            ELSE octet_length(metadata::text) <= 32768 END AS fits,
        "group", name, zone, owner, mac, metadata
    FROM musterd.member WHERE (changed, slot) > ($2::text::xid8, $3)
    ORDER BY member.changed, slot LIMIT $4
) page ORDER BY changed, slot
