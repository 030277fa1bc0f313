-- What stands there of some members, forgotten or not.
-- The driver cannot read an instant beyond the years 1 to 9999.
SELECT "group", name, zone, owner, metadata::text, facts::text, state, reason,
    CASE WHEN since BETWEEN '0002-01-01' AND '9999-01-01' THEN since ELSE 'epoch' END,
    CASE WHEN first_seen BETWEEN '0002-01-01' AND '9999-01-01' THEN first_seen ELSE 'epoch' END,
    interval_s, changed::text AS version, forgotten_at IS NOT NULL FROM musterd.registry
WHERE namespace = $1 AND ("group", name) IN (SELECT * FROM unnest($2::text[], $3::text[]))
