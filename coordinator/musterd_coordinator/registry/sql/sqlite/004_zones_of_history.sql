-- Step 4: a line of the history says in which zone the member was. Those from before do not: to look
-- the zones up would write all of them anew.

ALTER TABLE history ADD COLUMN zone TEXT;

PRAGMA user_version = 4;
