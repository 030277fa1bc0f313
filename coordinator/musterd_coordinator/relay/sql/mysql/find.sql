-- Where members sit, and what they announced.
SELECT m.member_id, m.slot, b.slot IS NOT NULL AS has_beat, m.zone, m.owner, m.metadata, m.mac
FROM (WITH given (member_id) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_member m ON m.member_id = n.member_id
LEFT JOIN musterd_beat b ON b.slot = m.slot AND b.member_id = m.member_id
