-- Step 1: members and their history. Instants are RFC 3339 text in UTC, always with microseconds, so
-- that they sort as they are.

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
    reason TEXT NOT NULL
);
CREATE INDEX history_member ON history (namespace, "group", name, at);
CREATE INDEX history_at ON history (at);

PRAGMA application_id = 1297437524; -- "MUST": tells our file from another program's
PRAGMA user_version = 1;
