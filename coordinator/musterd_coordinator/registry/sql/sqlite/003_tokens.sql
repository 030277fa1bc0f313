-- Step 3: tokens, and a line of the history says who gave an order, from which address, in which
-- request. A token's row stays after it was revoked: the history names orders by it.

CREATE TABLE token (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    role TEXT NOT NULL,
    groups TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT,
    PRIMARY KEY (namespace, name),
    UNIQUE (namespace, id)
) WITHOUT ROWID;

ALTER TABLE history ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN request TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 3;
