-- `state_by` is who said so first; it looks at the state before that is overwritten. A row that was
-- forgotten stays as it is.
INSERT INTO musterd_registry (
    namespace, `group`, name, zone, owner, metadata, facts, state, reason, since, first_seen,
    interval_s, changed, changed_by, state_by)
SELECT ?, t.a, t.b, t.c, t.d, t.e, t.f, t.g, t.h, t.i, t.j, t.k, ?, ?, ?
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    a VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    b VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]',
    c VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[2]',
    d VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[3]',
    e MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[4]',
    f MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[5]',
    g VARCHAR(32) CHARACTER SET utf8mb4 PATH '$[6]',
    h TEXT CHARACTER SET utf8mb4 PATH '$[7]',
    i DATETIME(6) PATH '$[8]',
    j DATETIME(6) PATH '$[9]',
    k DOUBLE PATH '$[10]')) AS t
ON DUPLICATE KEY UPDATE
    state_by = IF(forgotten_at IS NULL AND state <> VALUES(state), VALUES(state_by), state_by),
    zone = IF(forgotten_at IS NULL, VALUES(zone), zone),
    owner = IF(forgotten_at IS NULL, VALUES(owner), owner),
    metadata = IF(forgotten_at IS NULL, VALUES(metadata), metadata),
    state = IF(forgotten_at IS NULL, VALUES(state), state),
    reason = IF(forgotten_at IS NULL, VALUES(reason), reason),
    since = IF(forgotten_at IS NULL, VALUES(since), since),
    interval_s = IF(forgotten_at IS NULL, VALUES(interval_s), interval_s)
