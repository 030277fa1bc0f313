-- A second time too, with a number of its own: since the first it may have been back.
UPDATE musterd_registry AS r
JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    in_group VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]')) AS t
    ON r.namespace = ? AND r.`group` = t.in_group AND r.name = t.called
SET r.forgotten_at = CURRENT_TIMESTAMP(6), r.changed = ?, r.changed_by = ?
