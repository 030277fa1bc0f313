-- Every member that was not forgotten, in pages: by an index of these alone.
-- The driver cannot read an instant beyond the years 1 to 9999.
SELECT "group", name, zone, owner, metadata::text, facts::text, state, reason,
    CASE WHEN since BETWEEN '0002-01-01' AND '9999-01-01' THEN since ELSE 'epoch' END,
    CASE WHEN first_seen BETWEEN '0002-01-01' AND '9999-01-01' THEN first_seen ELSE 'epoch' END,
    interval_s, changed::text AS version, forgotten_at IS NOT NULL FROM musterd.registry
WHERE namespace = $1 AND (changed, "group", name) > ($2::text::xid8, $3, $4)
    AND $5::bigint IS NULL AND forgotten_at IS NULL
ORDER BY registry.changed, "group", name LIMIT $6
