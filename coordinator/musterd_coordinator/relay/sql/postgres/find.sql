-- Where members sit, and what they announced: metadata of 32768 bytes at most.
SELECT m.member_id, m.slot, b.slot IS NOT NULL AS has_beat, m.zone, m.owner,
    CASE WHEN pg_column_size(m.metadata) <= 32768 THEN m.metadata::text ELSE 'null' END, m.mac
FROM musterd.member m LEFT JOIN musterd.beat b ON b.slot = m.slot AND b.member_id = m.member_id
WHERE m.member_id = ANY($1::bigint[]) ORDER BY m.slot
