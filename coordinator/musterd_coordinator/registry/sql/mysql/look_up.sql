-- What stands there of some members, forgotten or not.
SELECT `group`, name, zone, owner, metadata, facts, state, reason,
    DATE_FORMAT(since, '%Y-%m-%dT%H:%i:%s.%f+00:00'),
    DATE_FORMAT(first_seen, '%Y-%m-%dT%H:%i:%s.%f+00:00'),
    interval_s, changed, forgotten_at IS NOT NULL FROM musterd_registry
JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    in_group VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]')) AS t
    ON namespace = ? AND `group` = t.in_group AND name = t.called
