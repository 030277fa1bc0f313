"""The tables of a registry in a SQLite file, and the statements that read and write them."""

VERSION = 2
APPLICATION = 0x4D555354  # "MUST": tells our file from another program's

# Instants are RFC 3339 text in UTC, always with microseconds, so that they sort as they are.
TABLES = f"""
CREATE TABLE member (
    namespace TEXT NOT NULL,
    "group" TEXT NOT NULL,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    owner TEXT NOT NULL,
    metadata TEXT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    interval_s REAL NOT NULL,
    PRIMARY KEY (namespace, "group", name)
) WITHOUT ROWID;
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    version INTEGER NOT NULL,
    at TEXT NOT NULL,
    "group" TEXT NOT NULL,
    name TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    reason TEXT NOT NULL,
    coordinator TEXT NOT NULL DEFAULT ''
);
CREATE INDEX history_member ON history (namespace, "group", name, at);
CREATE INDEX history_at ON history (at);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""
UPGRADES = {
    1: "ALTER TABLE history ADD COLUMN coordinator TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 2;"
}
COLUMNS = (
    '"group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s'
)
# What most of a fleet share comes as one text, which is read once for all who have the same.
LOAD = """
SELECT name, since, first_seen,
    json_array("group", zone, owner, metadata, facts, state, reason, interval_s)
FROM member WHERE namespace = ? AND ("group", name) > (?, ?) ORDER BY "group", name LIMIT ?
"""
# The same one by one, where that stumbled over a damaged row.
LOAD_RAW = f"""
SELECT {COLUMNS} FROM member
WHERE namespace = ? AND ("group", name) > (?, ?) ORDER BY "group", name LIMIT ?
"""
# Members change in no order of their names. Sorted, a page of the tables is written once for all of
# them that are on it, which halves what a large batch costs; and it is SQLite that sorts, outside
# of Python's lock, so that the event loop goes on meanwhile.
NEWS = """
CREATE TEMP TABLE new_member (
    "group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s);
CREATE TEMP TABLE new_history (version, at, "group", name, old, new, reason);
"""
SAVE = f"""
INSERT INTO member (namespace, {COLUMNS}) SELECT ?, * FROM new_member WHERE true
ORDER BY "group", name
ON CONFLICT DO UPDATE SET
    zone = excluded.zone, owner = excluded.owner, metadata = excluded.metadata,
    state = excluded.state, reason = excluded.reason, since = excluded.since,
    interval_s = excluded.interval_s
"""
# A call that was given up may have been done all the same, and is then made again.
APPEND = """
INSERT INTO history (namespace, coordinator, version, at, "group", name, old, new, reason)
SELECT ?1, ?2, * FROM new_history AS new WHERE NOT EXISTS (
    SELECT 1 FROM history
    WHERE (namespace, "group", name, at) = (?1, new."group", new.name, new.at)
    AND (version, old, new, reason) = (new.version, new.old, new.new, new.reason))
ORDER BY "group", name, new.rowid
"""
HISTORY = """
SELECT version, at, "group", name, old, new, reason, coordinator FROM history
WHERE (namespace, "group", name) = (?, ?, ?) ORDER BY id DESC LIMIT ?
"""
NEWEST = "SELECT at FROM history WHERE namespace = ? ORDER BY id DESC LIMIT 1"
FACTS = 'SELECT facts FROM member WHERE (namespace, "group", name) = (?, ?, ?)'
CHANGE_FACTS = 'UPDATE member SET facts = ? WHERE (namespace, "group", name) = (?, ?, ?)'
FORGET = 'DELETE FROM member WHERE (namespace, "group", name) = (?, ?, ?)'
PRUNE = """
DELETE FROM history WHERE id IN (
    SELECT id FROM history WHERE namespace = ? AND at < ? LIMIT ?)
"""
