-- Beats of many members at once: what may follow what is as in ../postgres/write.sql. The rows are in
-- the order of their slots, which STRAIGHT_JOIN keeps. What is set is computed from the row as it was.
-- A beat is fresh at least for {least} microseconds, and for {most} at most.
UPDATE (WITH given (slot, member_id, record) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_beat b ON b.slot = n.slot AND b.member_id = n.member_id
SET b.record = n.record,
    b.seen_at = IF(
        SUBSTR(b.record, 17, 10) = SUBSTR(n.record, 17, 10), b.seen_at, CURRENT_TIMESTAMP(3))
WHERE ((ASCII(SUBSTR(n.record, 25, 1)) - ASCII(SUBSTR(b.record, 25, 1))
        + (ASCII(SUBSTR(n.record, 26, 1)) - ASCII(SUBSTR(b.record, 26, 1))) * 256) & 65535) <= 2
    AND (SUBSTR(b.record, 27, 6) = SUBSTR(n.record, 27, 6)
        OR (ASCII(SUBSTR(n.record, 26, 1)) = 0 AND ASCII(SUBSTR(n.record, 25, 1)) < 2))
    OR SUBSTR(b.record, 17, 8) <> SUBSTR(n.record, 17, 8)
    OR ABS(TIMESTAMPDIFF(MICROSECOND, b.seen_at, CURRENT_TIMESTAMP(3))) > GREATEST({least}, LEAST(
        {most}, 1500 * (ASCII(SUBSTR(b.record, 5, 1)) + ASCII(SUBSTR(b.record, 6, 1)) * 256
            + ASCII(SUBSTR(b.record, 7, 1)) * 65536 + ASCII(SUBSTR(b.record, 8, 1)) * 16777216)))
