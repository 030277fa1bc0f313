-- `state_by` is who said so first. A row that was forgotten comes back to life only through somebody
-- who knows of that very forgetting: what he says then is news, and no late word on the old life.
INSERT INTO musterd.registry AS r (
    namespace, "group", name, zone, owner, metadata, facts, state, reason, since, first_seen,
    interval_s, changed, changed_by, state_by)
SELECT $1, a, b, c, d, e::jsonb, f::jsonb, g, h, i, j, k, pg_current_xact_id(), $2, $2
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::timestamptz[], $13::timestamptz[], $14::float8[])
    AS t(a, b, c, d, e, f, g, h, i, j, k)
ON CONFLICT (namespace, "group", name) DO UPDATE SET
    zone = excluded.zone, owner = excluded.owner, metadata = excluded.metadata,
    state = excluded.state, reason = excluded.reason, since = excluded.since,
    interval_s = excluded.interval_s, forgotten_at = NULL,
    facts = CASE WHEN r.forgotten_at IS NULL THEN r.facts ELSE excluded.facts END,
    first_seen = CASE WHEN r.forgotten_at IS NULL THEN r.first_seen ELSE excluded.first_seen END,
    changed = CASE WHEN r.forgotten_at IS NULL THEN r.changed ELSE excluded.changed END,
    changed_by = CASE WHEN r.forgotten_at IS NULL THEN r.changed_by ELSE excluded.changed_by END,
    state_by = CASE WHEN r.state = excluded.state AND r.forgotten_at IS NULL
        THEN r.state_by ELSE excluded.state_by END
WHERE r.forgotten_at IS NULL OR r.changed::text = ANY($3::text[])
