-- What operators said of some members.
SELECT r.name, r.facts FROM musterd_registry AS r
JOIN JSON_TABLE(?, '$[*]' COLUMNS (
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]')) AS t
    ON r.namespace = ? AND r.`group` = ? AND r.name = t.called
WHERE r.forgotten_at IS NULL FOR UPDATE /*!80001 OF r */
