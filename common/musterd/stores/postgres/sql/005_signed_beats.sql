-- Step 5: signed announcements and beats. Agents with a key have two functions more.
--
-- What coordinators and relays check of a member's row is its `mac`, which covers the names, zone,
-- owner and metadata in it: NULL where it was announced without a key. What changes them without a
-- mac takes the mac away.
--
-- A challenge is a value by which each coordinator knows what was signed after it began: coordinators
-- write it, and agents have it with every third beat that they send. Its size is known to musterd.keys too.

CREATE TABLE musterd.challenge (
    namespace text PRIMARY KEY CHECK (octet_length(namespace) <= 1020),
    value bytea NOT NULL CHECK (octet_length(value) <= 128)
);
ALTER TABLE musterd.member
    ADD mac bytea,
    ADD CONSTRAINT member_mac_has_16_bytes CHECK (octet_length(mac) = 16) NOT VALID;

-- It gets one argument more, which programs of the version before leave out.
DROP FUNCTION musterd.seat(
    bigint, text, text, text, text, text, jsonb, integer, integer, boolean);

-- Runs with the rights of its caller: a relay, a coordinator, or `announce`. `bound`: only the role
-- that a member belongs to may have it.
CREATE FUNCTION musterd.seat(
    its_id bigint, its_namespace text, its_group text, its_name text, its_zone text,
    its_owner text, its_metadata jsonb, its_namespace_key integer, patience integer, bound boolean,
    its_mac bytea DEFAULT NULL
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE -- no row types: compiling them takes locks before lock_timeout is set
    seat integer;
    old_role text;
    old_zone text;
    old_owner text;
    old_metadata jsonb;
    old_mac bytea;
    is_news boolean;
    broken text;
    tries integer := 0;
BEGIN
    -- A crash that loses this commit loses all beats with it, and then everybody announces anew.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        PERFORM set_config('lock_timeout', patience::text, true);
        SELECT slot, role, zone, owner, metadata, mac
        INTO seat, old_role, old_zone, old_owner, old_metadata, old_mac
        FROM musterd.member WHERE member_id = its_id;
        EXIT WHEN FOUND;
        IF bound AND NOT musterd.may_have_more() THEN
            RAISE EXCEPTION 'role % has as many members as a host may have', SESSION_USER
                USING ERRCODE = '53400';
        END IF;
        PERFORM set_config('lock_timeout', least(patience, 20)::text, true);
        SELECT slot INTO seat FROM musterd.member
        WHERE member_id IS NULL ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
        BEGIN
            IF FOUND THEN
                UPDATE musterd.member SET
                    member_id = its_id, namespace = its_namespace, "group" = its_group,
                    name = its_name, zone = its_zone, owner = its_owner, metadata = its_metadata,
                    changed = pg_current_xact_id(), role = SESSION_USER, mac = its_mac
                WHERE slot = seat;
            ELSE
                seat := musterd.fresh_slot();
                INSERT INTO musterd.member VALUES (
                    seat, its_id, its_namespace, its_group, its_name, its_zone, its_owner,
                    its_metadata, pg_current_xact_id(), SESSION_USER, its_mac);
            END IF;
            old_role := SESSION_USER;
            old_zone := its_zone;
            old_owner := its_owner;
            old_metadata := its_metadata;
            old_mac := its_mac;
            EXIT;
        EXCEPTION WHEN unique_violation OR lock_not_available THEN
            -- Somebody took the number, or announces the same member: look again.
            GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
            IF broken = 'member_member_id_key' THEN
                INSERT INTO musterd.member VALUES (
                    seat, NULL, '', '', '', '', '', '{}', pg_current_xact_id())
                ON CONFLICT DO NOTHING;
            END IF;
            tries := tries + 1;
            IF tries >= 15 OR current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'somebody else announces the same member, or holds its slot'
                    USING ERRCODE = '40001';
            END IF;
        END;
    END LOOP;
    IF bound AND old_role <> SESSION_USER THEN -- before anything of it is locked
        RAISE EXCEPTION 'the member belongs to role %, and this is %', old_role, SESSION_USER
            USING ERRCODE = '28000';
    END IF;
    PERFORM set_config('lock_timeout', patience::text, true);
    is_news := (old_zone, old_owner, old_metadata)
        IS DISTINCT FROM (its_zone, its_owner, its_metadata);
    IF is_news OR its_mac IS NOT NULL AND old_mac IS DISTINCT FROM its_mac
        OR bound AND old_role IS NULL
    THEN
        UPDATE musterd.member SET
            zone = its_zone, owner = its_owner, metadata = its_metadata,
            changed = pg_current_xact_id(), role = coalesce(role, SESSION_USER),
            mac = CASE WHEN is_news THEN its_mac ELSE coalesce(its_mac, mac) END
        WHERE slot = seat AND member_id = its_id;
    END IF;
    INSERT INTO musterd.beat AS b (member_id, seen_at, slot, namespace_key, record, role_key)
    VALUES (
        its_id, now(), seat, its_namespace_key, decode(repeat('00', 64), 'hex'),
        hashtext(SESSION_USER))
    ON CONFLICT (slot) DO UPDATE SET
        member_id = excluded.member_id, seen_at = excluded.seen_at,
        namespace_key = excluded.namespace_key, role_key = excluded.role_key,
        record = CASE WHEN b.member_id = excluded.member_id THEN b.record ELSE excluded.record END
    WHERE b.member_id <> excluded.member_id OR b.role_key IS DISTINCT FROM excluded.role_key;
    RETURN seat;
END $$;

CREATE FUNCTION musterd.announce_signed(
    its_id bigint, its_namespace text, its_group text, its_name text,
    its_zone text, its_owner text, its_metadata jsonb, its_namespace_key integer, patience integer,
    its_mac bytea, OUT slot integer, OUT challenge bytea
) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT musterd.seat(its_id, its_namespace, its_group, its_name, its_zone, its_owner,
            its_metadata, its_namespace_key, patience, true, its_mac),
        coalesce((SELECT value FROM musterd.challenge WHERE namespace = its_namespace), '')
$$;

-- The challenge, which may be empty; NULL where the member has to be announced again: because its
-- row is gone, or no longer says what it announced. An agent asks for both now and then: elsewhere
-- `its_namespace` is empty, and `its_mac` NULL. `its_facts` are zone, owner and metadata. It runs as step 3 says of `beat`,
-- whose text it has again: a call would cost as much as all that it does besides.
CREATE FUNCTION musterd.beat_signed(
    its_slot integer, its_id bigint, its_record bytea, its_namespace text, its_mac bytea,
    its_facts jsonb
) RETURNS bytea LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF pg_catalog.octet_length(its_record) OPERATOR(pg_catalog.<>) 64 THEN
        RAISE EXCEPTION 'a beat has 64 bytes' USING ERRCODE = '22023';
    END IF;
    UPDATE musterd.beat AS b SET record = its_record, seen_at = pg_catalog.now()
    WHERE b.slot OPERATOR(pg_catalog.=) its_slot AND b.member_id OPERATOR(pg_catalog.=) its_id
        AND b.role_key OPERATOR(pg_catalog.=) pg_catalog.hashtext(SESSION_USER);
    IF NOT FOUND
        OR its_mac IS NOT NULL AND NOT EXISTS (
            SELECT FROM musterd.member AS m
            WHERE m.slot OPERATOR(pg_catalog.=) its_slot
                AND m.member_id OPERATOR(pg_catalog.=) its_id
                AND m.mac OPERATOR(pg_catalog.=) its_mac
                AND pg_catalog.jsonb_build_array(m.zone, m.owner, m.metadata)
                    OPERATOR(pg_catalog.=) its_facts)
    THEN
        RETURN NULL;
    ELSIF its_namespace OPERATOR(pg_catalog.=) '' THEN
        RETURN '';
    END IF;
    RETURN coalesce((
        SELECT c.value FROM musterd.challenge AS c
        WHERE c.namespace OPERATOR(pg_catalog.=) its_namespace), '');
END $$;

REVOKE ALL ON FUNCTION musterd.seat, musterd.announce_signed, musterd.beat_signed FROM PUBLIC;
-- Whoever could announce, seat members or keep the registry before can do so still, and sign.
DO $$
DECLARE
    who regrole;
BEGIN
    FOR who IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'musterd.beat'::regclass AND a.privilege_type = 'UPDATE'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION musterd.seat TO %s', who);
        EXECUTE format('GRANT SELECT ON musterd.challenge TO %s', who);
    END LOOP;
    FOR who IN SELECT DISTINCT a.grantee FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.pronamespace = 'musterd'::regnamespace AND p.proname = 'announce'
            AND a.grantee NOT IN (0, p.proowner)
    LOOP
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION musterd.announce_signed, musterd.beat_signed TO %s', who);
    END LOOP;
    FOR who IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'musterd.registry'::regclass AND a.privilege_type = 'UPDATE'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON musterd.challenge TO %s', who);
    END LOOP;
END $$;

DELETE FROM musterd.schema_version;
INSERT INTO musterd.schema_version VALUES (5);
