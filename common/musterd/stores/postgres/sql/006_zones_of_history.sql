-- Step 6: a line of the history says in which zone the member was. Those from before do not: to look
-- the zones up would write all of them anew.

ALTER TABLE musterd.history ADD COLUMN zone text;

DELETE FROM musterd.schema_version;
INSERT INTO musterd.schema_version VALUES (6);
