-- The same of members who are announced, whose rows nobody changes meanwhile; their beats are left alone.
SELECT m.member_id, m.slot, FALSE AS has_beat, m.zone, m.owner, m.metadata, m.mac
FROM (WITH given (member_id) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_member m ON m.member_id = n.member_id
FOR UPDATE
