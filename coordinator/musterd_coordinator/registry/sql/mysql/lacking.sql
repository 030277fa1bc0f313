-- Which of some members are not there: forgotten by a number, or (0) never heard of.
SELECT t.in_group, t.called, COALESCE(r.changed, 0)
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    in_group VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]')) AS t
LEFT JOIN musterd_registry AS r
    ON r.namespace = ? AND r.`group` = t.in_group AND r.name = t.called
WHERE r.name IS NULL OR r.forgotten_at IS NOT NULL
