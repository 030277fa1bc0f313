-- Relays write for many hosts, in batches, and are trusted with what they write.

GRANT USAGE ON SCHEMA musterd TO :"role";
GRANT SELECT, INSERT, UPDATE ON musterd.member TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO :"role";
GRANT USAGE, SELECT, UPDATE ON SEQUENCE musterd.slots TO :"role";
GRANT SELECT, UPDATE ON musterd.turn TO :"role";
GRANT SELECT ON musterd.challenge TO :"role";
GRANT EXECUTE ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat,
    musterd.announce, musterd.beat, musterd.announce_signed, musterd.beat_signed, musterd.retire TO :"role";
