"""These are the statements that read and write a registry in PostgreSQL; long ones are in files."""

from functools import partial

from musterd.sqlfiles import folder, statement

_statement = partial(statement, folder(__package__, "sql") / "postgres")

TABLE = "musterd.registry"
MY_TURN = "SELECT FROM musterd.turn WHERE what = 'registry' FOR UPDATE"
"""Held to the end of the transaction."""

PAGE = _statement("page")
LOAD = _statement("load")
LOOK_UP = _statement("look_up")
SAVE = _statement("save")
APPEND = _statement("append")
# Before its first ANALYZE a table that a whole fleet just joined looks small, and the planner would
# rather sort all of it for each page.
BY_INDEX = "SET LOCAL enable_sort = off"
FACTS = """
SELECT facts::text FROM musterd.registry
WHERE (namespace, "group", name) = ($1, $2, $3) AND forgotten_at IS NULL FOR UPDATE
"""
CHANGE_FACTS = """
UPDATE musterd.registry SET facts = $4::text::jsonb, changed = pg_current_xact_id(), changed_by = $5
WHERE (namespace, "group", name) = ($1, $2, $3)
"""
FACTS_OF = """
SELECT name, facts::text FROM musterd.registry
WHERE (namespace, "group") = ($1, $2) AND name = ANY($3::text[]) AND forgotten_at IS NULL FOR UPDATE
"""
CHANGE_FACTS_OF = """
UPDATE musterd.registry AS r
SET facts = t.facts::jsonb, changed = pg_current_xact_id(), changed_by = $5
FROM unnest($3::text[], $4::text[]) AS t (name, facts)
WHERE (r.namespace, r."group", r.name) = ($1, $2, t.name)
"""
# A second time too, with a number of its own: since the first it may have been back.
FORGET = """
UPDATE musterd.registry SET forgotten_at = now(), changed = pg_current_xact_id(), changed_by = $4
FROM unnest($2::text[], $3::text[]) AS gone (in_group, called)
WHERE (namespace, "group", name) = ($1, in_group, called)
"""
NUMBER = "SELECT pg_current_xact_id()::text"
DURABLE = """
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') = 'off'
"""
# By number, and not by a plan that reads all members' lines in that order.
HISTORY = """
WITH mine AS MATERIALIZED (
    SELECT * FROM musterd.history WHERE (namespace, "group", name) = ($1, $2, $3))
SELECT version, at, "group", name, old, new, reason, actor, address, request, zone, coordinator FROM mine
ORDER BY id DESC LIMIT $4
"""
_STRETCH = """
FROM musterd.history
WHERE namespace = $1 AND at >= $2 AND at <= $3 AND (at < $3 OR id < $4)
ORDER BY at DESC, id DESC
"""
_OF_WHOM = """
WHERE ($6::text IS NULL OR "group" = $6) AND ($7::text IS NULL OR zone = $7)
"""
CHANGES = f"""
SELECT version, at, "group", name, old, new, reason, actor, address, request, zone, coordinator, id
FROM (SELECT * {_STRETCH} LIMIT $5) AS looked_at {_OF_WHOM} ORDER BY at DESC, id DESC LIMIT $8
"""
EDGE = f"SELECT at, id {_STRETCH} LIMIT 1 OFFSET $5::bigint - 1"
COUNTS = f"""
SELECT floor(extract(epoch FROM at) / $8::bigint)::bigint, new, count(*)
FROM (SELECT * {_STRETCH} LIMIT $5) AS looked_at {_OF_WHOM} AND old <> new GROUP BY 1, 2
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
# As seconds: the driver cannot read an instant beyond the years 1 to 9999.
TOKENS = """
SELECT name, id, digest, role, groups, created_by, extract(epoch FROM created)::float8,
    extract(epoch FROM expires)::float8, extract(epoch FROM revoked)::float8
FROM musterd.token WHERE namespace = $1 ORDER BY name COLLATE "C"
"""
ADMIT = """
INSERT INTO musterd.token (
    namespace, name, id, digest, role, groups, created_by, created, expires, revoked)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
REVOKE = """
UPDATE musterd.token SET revoked = coalesce(revoked, $3) WHERE (namespace, name) = ($1, $2)
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
