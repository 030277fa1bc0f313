-- All that one order says of many members.
UPDATE musterd_registry AS r
JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[0]',
    facts MEDIUMTEXT CHARACTER SET utf8mb4 PATH '$[1]')) AS t
    ON r.namespace = ? AND r.`group` = ? AND r.name = t.called
SET r.facts = t.facts, r.changed = ?, r.changed_by = ?
