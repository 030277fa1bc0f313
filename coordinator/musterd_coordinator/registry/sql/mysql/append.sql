-- Left out is what another coordinator told before: the state that it saved last, or the same change
-- at about the same time. An own line is one that this call wrote already: it was given up, and then
-- made again. What operators said is never the same.
INSERT INTO musterd_history (
    namespace, recorded_by, coordinator, version, at, `group`, name, old, new, reason,
    actor, address, request, zone)
SELECT ?, ?, ?, t.version, t.at, t.in_group, t.called, t.old, t.new, t.reason,
    t.actor, t.address, t.request, t.zone
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    place FOR ORDINALITY,
    version BIGINT PATH '$[0]',
    at DATETIME(6) PATH '$[1]',
    in_group VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[2]',
    called VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[3]',
    old VARCHAR(32) CHARACTER SET utf8mb4 PATH '$[4]',
    new VARCHAR(32) CHARACTER SET utf8mb4 PATH '$[5]',
    reason TEXT CHARACTER SET utf8mb4 PATH '$[6]',
    actor TEXT CHARACTER SET utf8mb4 PATH '$[7]',
    address TEXT CHARACTER SET utf8mb4 PATH '$[8]',
    request TEXT CHARACTER SET utf8mb4 PATH '$[9]',
    zone VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[10]',
    is_first INT PATH '$[11]')) AS t
LEFT JOIN musterd_registry AS r
    ON r.namespace = ? AND r.`group` = t.in_group AND r.name = t.called
    AND r.forgotten_at IS NULL AND t.is_first = 1 AND t.old <> t.new
WHERE NOT COALESCE(r.state = t.new AND r.state_by <> ?, FALSE)
AND NOT EXISTS (
    SELECT 1 FROM musterd_history AS h
    WHERE h.namespace = ? AND h.`group` = t.in_group AND h.name = t.called
        AND h.at BETWEEN t.at - INTERVAL ? SECOND AND t.at + INTERVAL ? SECOND
        AND h.old = t.old AND h.new = t.new
        AND CASE WHEN h.recorded_by = ?
            THEN h.at = t.at AND h.version = t.version AND h.reason = t.reason
            WHEN t.old <> t.new
            THEN h.at BETWEEN t.at - INTERVAL ? SECOND AND t.at + INTERVAL ? SECOND
            ELSE h.reason = t.reason AND t.reason NOT LIKE 'operator: %' END)
ORDER BY t.place
