-- Members change in no order of their names. Sorted, a page of the tables is written once for all of
-- them that are on it, which halves what a large batch costs; and it is SQLite that sorts, outside
-- of Python's lock, so that the event loop goes on meanwhile.
CREATE TEMP TABLE new_member (
    "group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s);
CREATE TEMP TABLE new_history (
    version, at, "group", name, old, new, reason, actor, address, request, zone);
CREATE TEMP TABLE named (name PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE new_facts (name PRIMARY KEY, facts) WITHOUT ROWID;
