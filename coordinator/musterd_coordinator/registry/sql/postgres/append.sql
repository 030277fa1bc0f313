-- Left out is what another coordinator told before: the state that it saved last, or the same change
-- at about the same time. An own line is one that this call wrote already: it was given up, and then
-- made again. What operators said is never the same.
INSERT INTO musterd.history (
    namespace, recorded_by, coordinator, version, at, "group", name, old, new, reason,
    actor, address, request, zone)
SELECT $1, $2, $3, t.version, t.at, t."group", t.name, t.old, t.new, t.reason,
    t.actor, t.address, t.request, t.zone
FROM unnest($6::bigint[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[],
    $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::boolean[])
    WITH ORDINALITY AS t(
        version, at, "group", name, old, new, reason, actor, address, request, zone, is_first,
        place)
LEFT JOIN musterd.registry r ON (r.namespace, r."group", r.name) = ($1, t."group", t.name)
    AND r.forgotten_at IS NULL AND t.is_first AND t.old <> t.new
WHERE (r.state = t.new AND r.state_by <> $2) IS NOT TRUE
AND NOT EXISTS (
    SELECT FROM musterd.history h
    WHERE (h.namespace, h."group", h.name) = ($1, t."group", t.name)
        AND h.at BETWEEN t.at - $5::interval AND t.at + $5::interval
        AND (h.old, h.new) = (t.old, t.new)
        AND CASE WHEN h.recorded_by = $2
            THEN (h.at, h.version, h.reason) = (t.at, t.version, t.reason)
            WHEN t.old <> t.new THEN h.at BETWEEN t.at - $4::interval AND t.at + $4::interval
            ELSE h.reason = t.reason AND t.reason NOT LIKE 'operator: %' END)
ORDER BY t.place
