"""These are the steps of a registry's schema in a SQLite file, and its statements."""

from musterd.sqlfiles import folder, read, statement, steps

_FOLDER = folder(__package__, "sql") / "sqlite"

STEPS = steps(_FOLDER)
VERSION = len(STEPS)
APPLICATION = 0x4D555354  # "MUST": tells our file from another program's
NEWS = read(_FOLDER, "news")
"""Temporary tables, from which :data:`SAVE` and :data:`APPEND` take what they write."""

SAVE = statement(_FOLDER, "save")
APPEND = statement(_FOLDER, "append")

# What most of a fleet share comes as one text, which is read once for all that have the same.
LOAD = """
SELECT name, since, first_seen,
    json_array("group", zone, owner, metadata, facts, state, reason, interval_s)
FROM member WHERE namespace = ? AND ("group", name) > (?, ?) ORDER BY "group", name LIMIT ?
"""
# The same one by one, where that stumbled over a damaged row.
LOAD_RAW = """
SELECT "group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s
FROM member
WHERE namespace = ? AND ("group", name) > (?, ?) ORDER BY "group", name LIMIT ?
"""
HISTORY = """
SELECT version, at, "group", name, old, new, reason, actor, address, request, zone, coordinator
FROM history
WHERE (namespace, "group", name) = (?, ?, ?) ORDER BY id DESC LIMIT ?
"""
# Of all lines of its time, and of those looked at.
_STRETCH = """
FROM history INDEXED BY history_at
WHERE namespace = :namespace AND at >= :since AND at <= :at AND (at < :at OR id < :number)
ORDER BY at DESC, id DESC
"""
_OF_WHOM = """
WHERE (:group IS NULL OR "group" = :group) AND (:zone IS NULL OR zone = :zone)
"""
CHANGES = f"""
SELECT version, at, "group", name, old, new, reason, actor, address, request, zone, coordinator, id
FROM (SELECT * {_STRETCH} LIMIT :most) {_OF_WHOM} ORDER BY at DESC, id DESC LIMIT :limit
"""
EDGE = f"SELECT at, id {_STRETCH} LIMIT 1 OFFSET :most - 1"
COUNTS = f"""
SELECT CAST(strftime('%s', at) AS INTEGER) / :step, new, count(*)
FROM (SELECT * {_STRETCH} LIMIT :most) {_OF_WHOM} AND old <> new GROUP BY 1, 2
"""
NEWEST = "SELECT at FROM history WHERE namespace = ? ORDER BY id DESC LIMIT 1"
FACTS = 'SELECT facts FROM member WHERE (namespace, "group", name) = (?, ?, ?)'
CHANGE_FACTS = 'UPDATE member SET facts = ? WHERE (namespace, "group", name) = (?, ?, ?)'
FACTS_OF = """
SELECT name, facts FROM named JOIN member USING (name) WHERE (namespace, "group") = (?, ?)
"""
CHANGE_FACTS_OF = """
UPDATE member SET facts = new_facts.facts FROM new_facts
WHERE (namespace, "group") = (?, ?) AND member.name = new_facts.name
"""
FORGET = 'DELETE FROM member WHERE (namespace, "group", name) = (?, ?, ?)'
TOKENS = """
SELECT name, id, digest, role, groups, created_by, created, expires, revoked
FROM token WHERE namespace = ? ORDER BY name
"""
ADMIT = """
INSERT INTO token (
    namespace, name, id, digest, role, groups, created_by, created, expires, revoked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
REVOKE = """
UPDATE token SET revoked = coalesce(revoked, ?) WHERE (namespace, name) = (?, ?)
"""
PRUNE = """
DELETE FROM history WHERE id IN (
    SELECT id FROM history WHERE namespace = ? AND at < ? LIMIT ?)
"""
