-- A row of beats for each of these: who sits in its slot already keeps what stands there.
INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record)
SELECT n.*, CRC32(USER()), REPEAT(0x00, 64)
FROM (WITH given (slot, member_id, namespace_key) AS (VALUES {rows}) SELECT * FROM given) n
ON DUPLICATE KEY UPDATE
    record = IF(musterd_beat.member_id = VALUES(member_id), musterd_beat.record, VALUES(record)),
    member_id = VALUES(member_id), namespace_key = VALUES(namespace_key),
    login_key = VALUES(login_key)
