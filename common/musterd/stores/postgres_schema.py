"""musterd's tables in PostgreSQL (13 or newer): their SQL, who may use them, and how they upgrade.

One versioned schema holds the store and the registry, so that one order makes all of it. A step
of :data:`STEPS` is never edited once released: a change is a step more, which agents and
coordinators of the version before must survive.
"""

from musterd.errors import ShardRefused
from musterd.stores.postgres_link import Connection, Link, parse_url

LOCK = 0x6D757374657264  # "musterd", as an advisory lock of the database
"""Whoever makes tables, or gives a slot to a new member, holds this for the moment it takes."""

# A member's row outlives it: member_id becomes null, and the slot goes to the next newcomer. So
# slots stay dense, and a reader that remembers a slot always finds out what became of it.
# `changed` is the transaction that wrote the row last (see postgres_changes.py).
#
# A beat is the 64 bytes of musterd.beat and not a column a field, because a COPY costs by the
# column: so a sweep takes a third of the time. The view `beats` is there for people. Any index
# on beat but the key, and any change of an indexed column, would end HOT updates. No CHECK says how
# long a record is: PostgreSQL would read its text anew for every beat, a tenth of what one costs.
# Whoever reads records leaves those of another length alone; a member's next beat mends its own.
_STORE = f"""
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
        PERFORM pg_advisory_xact_lock({LOCK});
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
    musterd.unsigned(b.record, 40, 2)::bigint AS missed,
    musterd.unsigned(b.record, 44, 4) / 1000 AS lag_s,
    musterd.unsigned(b.record, 42, 2) / 1000 AS push_timeout_s
FROM musterd.beat b JOIN musterd.member m ON m.slot = b.slot AND m.member_id = b.member_id
WHERE CASE WHEN octet_length(b.record) = 64 THEN musterd.unsigned(b.record, 0, 2) <> 0 END;
"""

# `changed` and `changed_by` tell coordinators what others did; saving a state touches neither. A
# forgotten member's row stays for a while, or nobody would hear of it.
_REGISTRY = """
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
"""

# Several coordinators on one registry: who saw a change first, who said a state first, and where
# each of them stands. A forgotten member's row is neither read at a start nor looked for when it
# has been there long enough.
_COORDINATORS = """
ALTER TABLE musterd.registry ADD COLUMN state_by bigint NOT NULL DEFAULT 0;
ALTER TABLE musterd.history ADD COLUMN coordinator text NOT NULL DEFAULT '';
CREATE INDEX registry_living ON musterd.registry (namespace, changed, "group", name)
    WHERE forgotten_at IS NULL;
CREATE INDEX registry_forgotten ON musterd.registry (namespace, forgotten_at)
    WHERE forgotten_at IS NOT NULL;
CREATE TABLE musterd.coordinator (
    namespace text NOT NULL,
    name text NOT NULL,
    seen_at timestamptz NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (namespace, name)
);
"""

STEPS = (_STORE + _REGISTRY, _COORDINATORS)
VERSION = len(STEPS)

_BEGIN = "CREATE TABLE musterd.schema_version (version integer NOT NULL);"
_SAVE = (
    f"DELETE FROM musterd.schema_version; INSERT INTO musterd.schema_version VALUES ({VERSION});"
)
_AGENT_RIGHTS = """\
GRANT USAGE ON SCHEMA musterd TO {role};
GRANT SELECT, INSERT, UPDATE ON musterd.member TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO {role};
"""
_COORDINATOR_RIGHTS = (
    _AGENT_RIGHTS
    + """\
GRANT SELECT ON musterd.schema_version, musterd.beats TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON musterd.registry, musterd.history, musterd.coordinator TO {role};
"""
)


def init_sql(agents: str = "musterd_agents", coordinators: str = "musterd_coordinators") -> str:
    """All that :func:`init_db` does in a new database, and the rights of two existing roles.

    Agents need neither DDL rights nor a look at the registry. Coordinators without DDL rights
    work until an upgrade, which then has to be made by hand.
    """
    steps = ["CREATE SCHEMA musterd;", _BEGIN, *STEPS, _SAVE, _rights(agents, coordinators)]
    return "BEGIN;\n" + "\n".join(steps) + "COMMIT;\n"


async def init_db(
    url: str,
    timeout: float,  # noqa: ASYNC109 (a default for all calls)
    *,
    agents: str | None = None,
    coordinators: str | None = None,
) -> None:
    """Create or upgrade musterd's tables in the database of ``url``. Idempotent.

    The roles that are named, which must exist, are given their rights. Raises ConfigError for a
    bad URL, StoreError when the database cannot be reached, its role may not do this, or a newer
    musterd made the tables.
    """
    link = Link(parse_url(url), timeout)
    try:
        await ensure_schema(link)
        if rights := _rights(agents, coordinators):
            async with link.transaction() as connection:
                await connection.execute(rights)
    finally:
        link.close()


def _rights(agents: str | None, coordinators: str | None) -> str:
    given = ((_AGENT_RIGHTS, agents), (_COORDINATOR_RIGHTS, coordinators))
    return "".join(rights.format(role=_quoted(role)) for rights, role in given if role)


async def ensure_schema(link: Link) -> None:
    """Create or upgrade musterd's tables, where they are not up to date. Raises StoreError."""
    async with link.transaction() as connection:
        version = await _version(connection)
        if version < VERSION:
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            await _upgrade(connection, await _version(connection))
    if version > VERSION:
        raise ShardRefused(
            link.name,
            f"its tables are of version {version}, made by a newer musterd; this one knows"
            f" {VERSION}: upgrade this musterd",
        )


# Read from the tables of the catalogue: functions such as to_regclass may answer from a cache that
# is older than the lock.
_HAS_SCHEMA = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'musterd')"
_HAS_VERSION = """
SELECT EXISTS (SELECT FROM pg_tables WHERE (schemaname, tablename) = ('musterd', 'schema_version'))
"""


async def _version(connection: Connection) -> int:
    if not await connection.fetchval(_HAS_VERSION):
        return 0
    version: int = await connection.fetchval("SELECT max(version) FROM musterd.schema_version")
    return version


async def _upgrade(connection: Connection, version: int) -> None:
    if not await connection.fetchval(_HAS_SCHEMA):
        await connection.execute("CREATE SCHEMA musterd")
    if version == 0:
        await connection.execute(_BEGIN)
    if version < VERSION:
        await connection.execute("".join(STEPS[version:]) + _SAVE)


def _quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'
