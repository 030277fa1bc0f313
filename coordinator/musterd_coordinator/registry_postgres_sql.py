"""The statements that read and write a registry in PostgreSQL."""

TABLE = "musterd.registry"
MY_TURN = "SELECT FROM musterd.turn WHERE what = 'registry' FOR UPDATE"
"""Held to the end of the transaction."""

# asyncpg cannot read an instant beyond the years 1 to 9999.
_COLUMNS = """"group", name, zone, owner, metadata::text, facts::text, state, reason,
    CASE WHEN since BETWEEN '0002-01-01' AND '9999-01-01' THEN since ELSE 'epoch' END,
    CASE WHEN first_seen BETWEEN '0002-01-01' AND '9999-01-01' THEN first_seen ELSE 'epoch' END,
    interval_s, changed::text AS version, forgotten_at IS NOT NULL"""
PAGE = f"""
SELECT {_COLUMNS} FROM musterd.registry
WHERE namespace = $1 AND (changed, "group", name) > ($2::text::xid8, $3, $4)
    AND changed_by IS DISTINCT FROM $5
ORDER BY registry.changed, "group", name LIMIT $6
"""
LOAD = f"""
SELECT {_COLUMNS} FROM musterd.registry
WHERE namespace = $1 AND (changed, "group", name) > ($2::text::xid8, $3, $4)
    AND $5::bigint IS NULL AND forgotten_at IS NULL
ORDER BY registry.changed, "group", name LIMIT $6
"""
# Before its first ANALYZE a table that a whole fleet just joined looks small, and the planner would
# rather sort all of it for each page.
BY_INDEX = "SET LOCAL enable_sort = off"
# `state_by` is who said so first. A row that was forgotten comes back to life only through somebody
# who knows of that very forgetting: what he says then is news, and no late word on the old life.
SAVE = """
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
"""
# Left out is what another coordinator told before: the state that it saved last, or the same change
# at about the same time. An own line is one that this call wrote already: it was given up, and then
# made again. What operators said is never the same.
APPEND = """
INSERT INTO musterd.history (
    namespace, recorded_by, coordinator, version, at, "group", name, old, new, reason)
SELECT $1, $2, $3, t.version, t.at, t."group", t.name, t.old, t.new, t.reason
FROM unnest($6::bigint[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[],
    $12::text[], $13::boolean[])
    WITH ORDINALITY AS t(version, at, "group", name, old, new, reason, is_first, place)
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
"""
FACTS = """
SELECT facts::text FROM musterd.registry
WHERE (namespace, "group", name) = ($1, $2, $3) AND forgotten_at IS NULL FOR UPDATE
"""
CHANGE_FACTS = """
UPDATE musterd.registry SET facts = $4::text::jsonb, changed = pg_current_xact_id(), changed_by = $5
WHERE (namespace, "group", name) = ($1, $2, $3)
"""
FORGET = """
UPDATE musterd.registry SET forgotten_at = now(), changed = pg_current_xact_id(), changed_by = $4
FROM unnest($2::text[], $3::text[]) AS gone (in_group, called)
WHERE (namespace, "group", name) = ($1, in_group, called) AND forgotten_at IS NULL
"""
NUMBER = "SELECT pg_current_xact_id()::text"
DURABLE = """
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') = 'off'
"""
# By number, and not by a plan that reads everybody's lines in that order.
HISTORY = """
WITH mine AS MATERIALIZED (
    SELECT * FROM musterd.history WHERE (namespace, "group", name) = ($1, $2, $3))
SELECT version, at, "group", name, old, new, reason, coordinator FROM mine
ORDER BY id DESC LIMIT $4
"""
NEWEST = "SELECT at FROM musterd.history WHERE namespace = $1 ORDER BY id DESC LIMIT 1"
PRUNE = """
DELETE FROM musterd.history WHERE id IN (
    SELECT id FROM musterd.history WHERE namespace = $1 AND at < $2 LIMIT $3)
"""
PRUNE_FORGOTTEN = """
DELETE FROM musterd.registry WHERE (namespace, "group", name) IN (
    SELECT namespace, "group", name FROM musterd.registry
    WHERE namespace = $1 AND forgotten_at < now() - $2::interval LIMIT $3)
"""
NAMES = """
SELECT "group", name FROM musterd.registry
WHERE namespace = $1 AND ("group", name) > ($2, $3) AND forgotten_at IS NULL
ORDER BY "group", name LIMIT $4
"""
LACKING = """
SELECT t.in_group, t.called, coalesce(r.changed::text, '0')
FROM unnest($2::text[], $3::text[]) AS t (in_group, called)
LEFT JOIN musterd.registry r ON (r.namespace, r."group", r.name) = ($1, t.in_group, t.called)
WHERE r.name IS NULL OR r.forgotten_at IS NOT NULL
"""
LOOK_UP = f"""
SELECT {_COLUMNS} FROM musterd.registry
WHERE namespace = $1 AND ("group", name) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""
ENCODING = """
SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
"""
REPORT = """
INSERT INTO musterd.coordinator (namespace, name, seen_at, report)
VALUES ($1, $2, now(), $3::text::jsonb)
ON CONFLICT (namespace, name) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report
"""
REPORTS = """
SELECT name, extract(epoch FROM now() - seen_at)::float8, report::text FROM musterd.coordinator
WHERE namespace = $1 AND name <> $2 AND seen_at > now() - interval '1 hour' ORDER BY name
"""
