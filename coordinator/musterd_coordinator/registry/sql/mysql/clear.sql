-- A row that was forgotten makes room only for somebody who knows of that very forgetting: what he
-- says then is news, and no late word on the old life.
DELETE r FROM musterd_registry AS r
JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    in_group VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]')) AS t
    ON r.namespace = ? AND r.`group` = t.in_group AND r.name = t.called
WHERE r.forgotten_at IS NOT NULL AND r.changed IN (
    SELECT k.number FROM JSON_TABLE(?, '$[*]' COLUMNS (number BIGINT PATH '$')) AS k)
