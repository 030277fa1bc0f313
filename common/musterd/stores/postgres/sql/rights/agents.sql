-- Agents call a few functions, and touch no table.

REVOKE ALL ON ALL TABLES IN SCHEMA musterd FROM :"role";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA musterd FROM :"role";
REVOKE ALL ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat FROM :"role";
GRANT USAGE ON SCHEMA musterd TO :"role";
GRANT EXECUTE ON FUNCTION musterd.announce, musterd.beat, musterd.announce_signed,
    musterd.beat_signed, musterd.retire TO :"role";
