-- A call that was given up may have been done all the same, and is then made again.
INSERT INTO history (
    namespace, coordinator, version, at, "group", name, old, new, reason, actor, address, request,
    zone)
SELECT ?1, ?2, * FROM new_history AS new WHERE NOT EXISTS (
    SELECT 1 FROM history
    WHERE (namespace, "group", name, at) = (?1, new."group", new.name, new.at)
    AND (version, old, new, reason) = (new.version, new.old, new.new, new.reason))
ORDER BY "group", name, new.rowid
