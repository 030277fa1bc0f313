-- What stands in these slots.
SELECT b.slot, b.member_id, b.record
FROM (WITH given (slot) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_beat b ON b.slot = n.slot
