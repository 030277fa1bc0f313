-- Step 1: members, beats and the registry. The schema musterd exists already.

CREATE TABLE musterd.schema_version (version integer NOT NULL);
INSERT INTO musterd.schema_version VALUES (1);

-- A member's row outlives it: member_id becomes null, and the slot goes to the next newcomer. So
-- slots stay dense, and a reader that remembers a slot always finds out what became of it.
-- `changed` is the transaction that wrote the row last (see postgres_changes.py).
CREATE TABLE musterd.member (
    slot integer PRIMARY KEY CHECK (slot >= 0),
    member_id bigint UNIQUE,
    namespace text NOT NULL,
    "group" text NOT NULL,
    name text NOT NULL,
    zone text NOT NULL,
    owner text NOT NULL,
    metadata jsonb NOT NULL,
    changed xid8 NOT NULL
);
CREATE INDEX member_changed ON musterd.member (changed, slot);
CREATE INDEX member_free ON musterd.member (slot) WHERE member_id IS NULL;

-- A beat is the 64 bytes of musterd.beat and not a column a field, because a COPY costs by the
-- column: so a sweep takes a third of the time. The view `beats` is there for people. Any index
-- on beat but the key, and any change of an indexed column, would end HOT updates. No CHECK says how
-- long a record is: PostgreSQL would read its text anew for every beat, a tenth of what one costs.
-- Whoever reads records leaves those of another length alone; a member's next beat mends its own.
CREATE UNLOGGED TABLE musterd.beat (
    member_id bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    slot integer PRIMARY KEY,
    namespace_key integer NOT NULL,
    record bytea NOT NULL
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.2,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 10,
    vacuum_truncate = off
);
ALTER TABLE musterd.beat ALTER record SET STORAGE PLAIN;

CREATE FUNCTION musterd.announce(
    its_id bigint, its_namespace text, its_group text, its_name text,
    its_zone text, its_owner text, its_metadata jsonb, its_namespace_key integer, patience integer
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE -- no row types: compiling them takes locks before lock_timeout is set
    seat integer;
    old_zone text;
    old_owner text;
    old_metadata jsonb;
BEGIN
    -- A crash that loses this commit loses all beats with it, and then everybody announces anew.
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM set_config('lock_timeout', patience::text, true);
    FOR attempt IN 1..2 LOOP
        SELECT slot, zone, owner, metadata INTO seat, old_zone, old_owner, old_metadata
        FROM musterd.member WHERE member_id = its_id FOR UPDATE;
        EXIT WHEN FOUND OR attempt = 2;
        PERFORM pg_advisory_xact_lock(30809911195955812);
    END LOOP;
    IF seat IS NULL THEN
        SELECT slot INTO seat FROM musterd.member
        WHERE member_id IS NULL ORDER BY slot LIMIT 1 FOR UPDATE;
    END IF;
    IF seat IS NULL THEN
        SELECT coalesce(max(slot), -1) + 1 INTO seat FROM musterd.member;
        INSERT INTO musterd.member VALUES (
            seat, its_id, its_namespace, its_group, its_name, its_zone, its_owner, its_metadata,
            pg_current_xact_id());
    ELSIF (old_zone, old_owner, old_metadata)
        IS DISTINCT FROM (its_zone, its_owner, its_metadata) THEN
        UPDATE musterd.member SET
            member_id = its_id, namespace = its_namespace, "group" = its_group, name = its_name,
            zone = its_zone, owner = its_owner, metadata = its_metadata,
            changed = pg_current_xact_id()
        WHERE slot = seat;
    END IF;
    INSERT INTO musterd.beat AS b (member_id, seen_at, slot, namespace_key, record)
    VALUES (its_id, now(), seat, its_namespace_key, decode(repeat('00', 64), 'hex'))
    ON CONFLICT (slot) DO UPDATE SET
        member_id = excluded.member_id, seen_at = excluded.seen_at,
        namespace_key = excluded.namespace_key, record = excluded.record
    WHERE b.member_id <> excluded.member_id;
    RETURN seat;
END $$;

CREATE FUNCTION musterd.unsigned(record bytea, first integer, size integer)
RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT sum(get_byte(record, first + i) * 256::numeric ^ i) FROM generate_series(0, size - 1) i
$$;
CREATE VIEW musterd.beats AS SELECT
    m.namespace, m."group", m.name, b.slot, b.seen_at,
    (ARRAY['ok', 'check failing', 'draining', 'leaving'])[get_byte(b.record, 3) + 1] AS status,
    musterd.unsigned(b.record, 4, 4) / 1000 AS interval_s,
    (SELECT string_agg(lpad(to_hex(get_byte(b.record, i)), 2, '0'), '')
        FROM generate_series(23, 16, -1) i) AS incarnation,
    musterd.unsigned(b.record, 24, 8)::numeric(20) AS sequence,
    to_timestamp((musterd.unsigned(b.record, 32, 8) / 1000)::float8) AS sent_at,
    musterd.unsigned(b.record, 40, 4)::bigint AS missed,
    musterd.unsigned(b.record, 44, 4) / 1000 AS lag_s
FROM musterd.beat b JOIN musterd.member m ON m.slot = b.slot AND m.member_id = b.member_id
WHERE CASE WHEN octet_length(b.record) = 64 THEN musterd.unsigned(b.record, 0, 2) <> 0 END;

-- `changed` and `changed_by` tell coordinators what others did; saving a state touches neither. A
-- forgotten member's row stays for a while, or nobody would hear of it.
CREATE TABLE musterd.registry (
    namespace text NOT NULL,
    "group" text NOT NULL,
    name text NOT NULL,
    zone text NOT NULL,
    owner text NOT NULL,
    metadata jsonb NOT NULL,
    facts jsonb NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    first_seen timestamptz NOT NULL,
    interval_s double precision NOT NULL,
    forgotten_at timestamptz,
    changed xid8 NOT NULL,
    changed_by bigint NOT NULL,
    PRIMARY KEY (namespace, "group", name)
) WITH (fillfactor = 80);
CREATE INDEX registry_changed ON musterd.registry (namespace, changed, "group", name);

CREATE TABLE musterd.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace text NOT NULL,
    "group" text NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    old text NOT NULL,
    new text NOT NULL,
    reason text NOT NULL,
    recorded_by bigint NOT NULL
);
CREATE INDEX history_member ON musterd.history (namespace, "group", name, at);
CREATE INDEX history_at ON musterd.history (at);
