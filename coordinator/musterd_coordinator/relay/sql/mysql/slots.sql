-- Where members sit.
SELECT m.member_id, m.slot FROM (WITH given (member_id) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_member m ON m.member_id = n.member_id
