-- Of members known already the facts stay: operators alone change them.
INSERT INTO member (
    namespace, "group", name, zone, owner, metadata, facts, state, reason, since, first_seen,
    interval_s)
SELECT ?, * FROM new_member WHERE true -- so that ON belongs to the INSERT
ORDER BY "group", name
ON CONFLICT DO UPDATE SET
    zone = excluded.zone, owner = excluded.owner, metadata = excluded.metadata,
    state = excluded.state, reason = excluded.reason, since = excluded.since,
    interval_s = excluded.interval_s
