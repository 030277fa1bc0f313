-- Step 2: a line of the history names the coordinator that saw the change.

ALTER TABLE history ADD COLUMN coordinator TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 2;
