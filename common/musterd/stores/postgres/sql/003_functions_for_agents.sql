-- Step 3: agents have functions, and no rights on tables.
--
-- A function here that runs with its owner's rights (SECURITY DEFINER) finds nothing by a search path
-- that its caller could set: `announce` and `retire` pin one, and `beat`, for which that would cost as
-- much as the whole check, names the schema of everything, operators included.
--
-- Nothing that an agent may call holds a lock for which another agent, a relay or a coordinator waits:
--
-- - A vacant slot that somebody else is about to take is passed over (SKIP LOCKED).
-- - Fresh slots come from a sequence, whose numbers wait for nobody. One that was given away and not
--   used leaves a hole; when the numbers run 4096 ahead of the slots, they are set back, and a number
--   that somebody holds open costs a newcomer 20 milliseconds.
-- - A member belongs to the login role that announced it first (`role`), and only that one may lock
--   its row. Hosts that share a role share this too.
--
-- Numbers that musterd's programs know too, as postgres_limits.py: slots are below 16777216; a
-- namespace, group, name, zone or owner has 1020 bytes at most (255 characters of four bytes), and a
-- member's metadata 32768.

-- A table without a key cannot be upgraded where everything is published (FOR ALL TABLES).
ALTER TABLE musterd.schema_version ADD PRIMARY KEY (version);
-- What is checked is so for new rows; old ones may be damaged, and readers leave those alone.
ALTER TABLE musterd.member
    ADD role text,
    ADD CONSTRAINT member_slot_in_bounds CHECK (slot < 16777216) NOT VALID,
    ADD CONSTRAINT member_names_at_most_255_characters CHECK (
        octet_length(namespace) <= 1020 AND octet_length("group") <= 1020
        AND octet_length(name) <= 1020 AND octet_length(zone) <= 1020
        AND octet_length(owner) <= 1020
    ) NOT VALID,
    ADD CONSTRAINT member_metadata_at_most_32_kb CHECK (
        jsonb_typeof(metadata) = 'object' AND octet_length(metadata::text) <= 32768
    ) NOT VALID;
CREATE INDEX member_role ON musterd.member (role);
ALTER TABLE musterd.beat ADD role_key integer; -- four bytes that the row had to spare
CREATE SEQUENCE musterd.slots AS integer MINVALUE 0 MAXVALUE 16777215;
SELECT setval('musterd.slots', coalesce(max(slot), 0), max(slot) IS NOT NULL)
FROM musterd.member WHERE slot < 16773120;

-- The roles whose members are hosts with a login of their own, and how many members each may have.
CREATE TABLE musterd.host_roles (role name PRIMARY KEY, most_members integer NOT NULL);
-- Rows to lock where work must be done in turn. An advisory lock would be open to everybody.
CREATE TABLE musterd.turn (what text PRIMARY KEY);
INSERT INTO musterd.turn VALUES ('announce'), ('registry');
-- What a crash empties: see postgres_changes.py.
CREATE UNLOGGED TABLE musterd.life (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), born bigint NOT NULL);

CREATE FUNCTION musterd.fresh_slot() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    seat integer := nextval('musterd.slots');
    last integer := (SELECT max(slot) FROM musterd.member WHERE slot < 16777216);
BEGIN
    IF seat > coalesce(last, -1) + 4096 THEN
        PERFORM setval('musterd.slots', coalesce(last, -1) + 1, false);
        seat := nextval('musterd.slots');
    END IF;
    IF EXISTS (SELECT FROM musterd.member WHERE slot = seat) THEN
        SELECT m.slot + 1 INTO seat FROM musterd.member m
        WHERE m.slot >= seat AND NOT EXISTS (SELECT FROM musterd.member n WHERE n.slot = m.slot + 1)
        ORDER BY m.slot LIMIT 1;
        PERFORM setval('musterd.slots', seat, true) FROM musterd.slots WHERE last_value < seat;
    END IF;
    RETURN seat;
END $$;

CREATE FUNCTION musterd.may_have_more() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM musterd.host_roles h JOIN pg_roles r ON r.rolname = h.role
        WHERE pg_has_role(SESSION_USER, r.oid, 'MEMBER') AND h.most_members <= (
            SELECT count(*) FROM (
                SELECT FROM musterd.member WHERE role = SESSION_USER LIMIT h.most_members) m))
$$;

-- Runs with the rights of its caller: a relay, a coordinator, or `announce`. `bound`: only the role
-- that a member belongs to may have it.
CREATE FUNCTION musterd.seat(
    its_id bigint, its_namespace text, its_group text, its_name text, its_zone text,
    its_owner text, its_metadata jsonb, its_namespace_key integer, patience integer, bound boolean
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE -- no row types: compiling them takes locks before lock_timeout is set
    seat integer;
    old_role text;
    old_zone text;
    old_owner text;
    old_metadata jsonb;
    broken text;
    tries integer := 0;
BEGIN
    -- A crash that loses this commit loses all beats with it, and then everybody announces anew.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        PERFORM set_config('lock_timeout', patience::text, true);
        SELECT slot, role, zone, owner, metadata
        INTO seat, old_role, old_zone, old_owner, old_metadata
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
                    changed = pg_current_xact_id(), role = SESSION_USER
                WHERE slot = seat;
            ELSE
                seat := musterd.fresh_slot();
                INSERT INTO musterd.member VALUES (
                    seat, its_id, its_namespace, its_group, its_name, its_zone, its_owner,
                    its_metadata, pg_current_xact_id(), SESSION_USER);
            END IF;
            old_role := SESSION_USER;
            old_zone := its_zone;
            old_owner := its_owner;
            old_metadata := its_metadata;
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
    IF (old_zone, old_owner, old_metadata) IS DISTINCT FROM (its_zone, its_owner, its_metadata)
        OR bound AND old_role IS NULL
    THEN
        UPDATE musterd.member SET
            zone = its_zone, owner = its_owner, metadata = its_metadata,
            changed = pg_current_xact_id(), role = coalesce(role, SESSION_USER)
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

CREATE OR REPLACE FUNCTION musterd.announce(
    its_id bigint, its_namespace text, its_group text, its_name text,
    its_zone text, its_owner text, its_metadata jsonb, its_namespace_key integer, patience integer
) RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT musterd.seat(its_id, its_namespace, its_group, its_name, its_zone, its_owner,
        its_metadata, its_namespace_key, patience, true)
$$;

CREATE FUNCTION musterd.beat(its_slot integer, its_id bigint, its_record bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF pg_catalog.octet_length(its_record) OPERATOR(pg_catalog.<>) 64 THEN
        RAISE EXCEPTION 'a beat has 64 bytes' USING ERRCODE = '22023';
    END IF;
    UPDATE musterd.beat AS b SET record = its_record, seen_at = pg_catalog.now()
    WHERE b.slot OPERATOR(pg_catalog.=) its_slot AND b.member_id OPERATOR(pg_catalog.=) its_id
        AND b.role_key OPERATOR(pg_catalog.=) pg_catalog.hashtext(SESSION_USER);
    RETURN FOUND;
END $$;

CREATE FUNCTION musterd.retire(its_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH vacated AS (
        UPDATE musterd.member SET member_id = NULL, role = NULL, changed = pg_current_xact_id()
        WHERE member_id = its_id AND role = SESSION_USER RETURNING slot
    ) DELETE FROM musterd.beat USING vacated WHERE beat.slot = vacated.slot
$$;

-- An instant that PostgreSQL cannot hold must not hide everybody's beats from people.
CREATE OR REPLACE VIEW musterd.beats AS SELECT
    m.namespace, m."group", m.name, b.slot, b.seen_at,
    (ARRAY['ok', 'check failing', 'draining', 'leaving'])[get_byte(b.record, 3) + 1] AS status,
    musterd.unsigned(b.record, 4, 4) / 1000 AS interval_s,
    (SELECT string_agg(lpad(to_hex(get_byte(b.record, i)), 2, '0'), '')
        FROM generate_series(23, 16, -1) i) AS incarnation,
    musterd.unsigned(b.record, 24, 8)::numeric(20) AS sequence,
    CASE WHEN musterd.unsigned(b.record, 32, 8) < 253402300800000
        THEN to_timestamp((musterd.unsigned(b.record, 32, 8) / 1000)::float8) END AS sent_at,
    musterd.unsigned(b.record, 40, 2)::bigint AS missed,
    musterd.unsigned(b.record, 44, 4) / 1000 AS lag_s,
    musterd.unsigned(b.record, 42, 2) / 1000 AS push_timeout_s
FROM musterd.beat b JOIN musterd.member m ON m.slot = b.slot AND m.member_id = b.member_id
WHERE CASE WHEN octet_length(b.record) = 64 THEN musterd.unsigned(b.record, 0, 2) <> 0 END;

REVOKE ALL ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat, musterd.announce,
    musterd.beat, musterd.retire FROM PUBLIC;
-- Whoever could write beats before can do it still, until `init-db --agents` takes that away.
DO $$
DECLARE
    who regrole;
BEGIN
    FOR who IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'musterd.beat'::regclass AND a.privilege_type = 'UPDATE'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE replace($rights$
            GRANT USAGE ON SCHEMA musterd TO {role};
            GRANT SELECT, INSERT, UPDATE ON musterd.member TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO {role};
            GRANT USAGE, SELECT, UPDATE ON SEQUENCE musterd.slots TO {role};
            GRANT SELECT, UPDATE ON musterd.turn TO {role};
            GRANT EXECUTE ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat,
                musterd.announce, musterd.beat, musterd.retire TO {role};
            GRANT SELECT, INSERT ON musterd.life TO {role};
            GRANT SELECT ON musterd.host_roles TO {role};
        $rights$, '{role}', who::text);
    END LOOP;
END $$;

DELETE FROM musterd.schema_version;
INSERT INTO musterd.schema_version VALUES (3);
