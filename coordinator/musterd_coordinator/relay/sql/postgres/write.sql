-- Beats of many members at once. A record has 64 bytes, and a next beat is one or two ahead (as the
-- relay knows too). A beat is fresh for 1.5 of the intervals that it promises; so the next one finds it so.
--
-- A fresh beat gives way only to the next ones of its run. So neither one that was under way for long
-- undoes a newer one, nor does a number that somebody made up take the place of a member that beats.
-- Once it is fresh no more, any may follow: a forged number keeps nobody out for longer. Who writes
-- the same number again, with whatever else, keeps it no fresher. A beat is fresh at least for as
-- long as an agent waits ($4, seconds), and no longer than $5, whatever it promises; the clock of the
-- database may be set back. Numbers are compared by their lowest two bytes, and the others must be
-- the same, unless those two begin anew. Records come as one text, which costs both sides less than
-- an array of them; OFFSET 0 has each cut out only once.
UPDATE musterd.beat b SET record = n.record, seen_at =
    CASE WHEN substring(b.record, 17, 10) = substring(n.record, 17, 10) THEN b.seen_at ELSE now() END
FROM (
    SELECT slot, member_id, substr($3::bytea, 1 + 64 * (place::integer - 1), 64) AS record
    FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY rows (slot, member_id, place) OFFSET 0
) n
WHERE b.slot = n.slot AND b.member_id = n.member_id AND (
    (get_byte(n.record, 24) - get_byte(b.record, 24)
        + (get_byte(n.record, 25) - get_byte(b.record, 25)) * 256) & 65535 <= 2
    AND (substring(b.record, 27, 6) = substring(n.record, 27, 6)
        OR get_byte(n.record, 25) = 0 AND get_byte(n.record, 24) < 2)
    OR substring(b.record, 17, 8) <> substring(n.record, 17, 8)
    OR abs(extract(epoch FROM now() - b.seen_at)) > greatest($4, least($5,
        1.5 * (get_byte(b.record, 4) + get_byte(b.record, 5) * 256
            + get_byte(b.record, 6) * 65536 + get_byte(b.record, 7) * 16777216::float8) / 1000)))
