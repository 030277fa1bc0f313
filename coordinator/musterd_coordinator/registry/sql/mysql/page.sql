-- What others changed after a moment and up to another, in pages.
SELECT `group`, name, zone, owner, metadata, facts, state, reason,
    DATE_FORMAT(since, '%Y-%m-%dT%H:%i:%s.%f+00:00'),
    DATE_FORMAT(first_seen, '%Y-%m-%dT%H:%i:%s.%f+00:00'),
    interval_s, changed, forgotten_at IS NOT NULL FROM musterd_registry
WHERE namespace = ? AND changed_by <> ? AND changed <= ?
    AND (changed > ? OR (changed = ? AND (`group` > ? OR (`group` = ? AND name > ?))))
ORDER BY changed, `group`, name LIMIT ?
