"""What the login roles of agents can do in a database, and what they cannot."""

import anyio
import asyncpg
import pytest

from musterd.beat import pack
from musterd.errors import ShardRefused, StoreError
from musterd.model import Member
from musterd.stores import ShardWriter
from musterd.stores.postgres.rights import MEMBERS_OF_A_HOST
from musterd.stores.postgres.schema import init_db
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.rowwriter import namespace_key
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database
from musterd_coordinator.relay.postgres import PostgresRelay
from musterd_coordinator.relay.waiting import Newcomer
from musterd_coordinator.sweep.rows.relays import marks_key
from tests.conftest import StartPgBouncer
from tests.service.postgres_fleet import (
    NAMESPACE,
    TIMEOUT,
    announced,
    as_role,
    beat_of,
    both,
    canary,
    everybody,
    host,
    owner_of,
    sequences,
    writer_of,
)

pytestmark = pytest.mark.usefixtures("tables")

_RECORD = "decode(repeat('00', 64), 'hex')"
_MARK = f"1, now(), -5, {marks_key(NAMESPACE)}, {_RECORD}"
FORBIDDEN = {
    "read members": "SELECT * FROM musterd.member",
    "read beats": "SELECT * FROM musterd.beat",
    "read people's beats": "SELECT * FROM musterd.beats",
    "read the registry": "SELECT * FROM musterd.registry",
    "read tokens": "SELECT * FROM musterd.token",
    "make a token": "INSERT INTO musterd.token SELECT",
    "lock another's row": "SELECT FROM musterd.beat WHERE slot = 0 FOR UPDATE",
    "lock by key": "SELECT FROM musterd.member WHERE slot = 0 FOR KEY SHARE",
    "forge a relay's row": f"INSERT INTO musterd.beat VALUES ({_MARK})",
    "take a slot far away": "INSERT INTO musterd.member VALUES"
    " (50000000, 1, 'fleet', 'g', 'm', '', '', '{}', pg_current_xact_id())",
    "overwrite all beats": f"UPDATE musterd.beat SET record = {_RECORD}",
    "overwrite a zone": "UPDATE musterd.member SET zone = 'x'",
    "delete canaries": "DELETE FROM musterd.beat WHERE slot < 0",
    "lock a table": "LOCK TABLE musterd.beat IN ACCESS SHARE MODE",
    "lock the members": "LOCK TABLE musterd.member",
    "lock the turn": "SELECT FROM musterd.turn FOR UPDATE",
    "end a life": "DELETE FROM musterd.life",
    "use up slots": "SELECT nextval('musterd.slots')",
    "set slots": "SELECT setval('musterd.slots', 16777215)",
    "read the challenge": "SELECT * FROM musterd.challenge",
    "write a challenge": "INSERT INTO musterd.challenge VALUES ('fleet', '')",
    "seat anybody": "SELECT musterd.seat(1, 'fleet', 'g', 'm', '', '', '{}', 1, 1000, false)",
    "more than its share": "UPDATE musterd.host_roles SET most_members = 1000000",
    "temporary tables": "CREATE TEMPORARY TABLE filler (x text)",
    "large objects": "SELECT lo_from_bytea(0, 'x')",
    "tables of its own": "CREATE TABLE musterd.mine (x text)",
    "schemas of its own": "CREATE SCHEMA mine",
    "coordinators' sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'postgres' AND datname = current_database()",
}


async def test_an_agents_role_can_call_its_functions_and_nothing_else(
    database: Database, role: str
) -> None:
    assert await init_db(database.dsn, TIMEOUT, agents=role) == []
    async with both(database.dsn) as (_, reader):
        agent = writer_of(as_role(database, role))
        await agent.announce(host(1))
        assert await agent.beat(beat_of(host(1)))
        await reader.write_canary(canary(1))
        attacker = await asyncpg.connect(as_role(database, role))
        allowed = []
        for what, statement in FORBIDDEN.items():
            try:
                await attacker.execute(f"BEGIN; {statement}")
                allowed.append(what)
            except asyncpg.InsufficientPrivilegeError:
                pass
            await attacker.execute("ROLLBACK")
        assert not allowed
        assert len((await reader.roster()).seated) == 1
        assert await sequences(reader) == {0: 1}
        await agent.retire(host(1))
        await attacker.close()
        await agent.aclose()


async def test_advisory_locks_hold_up_neither_newcomers_nor_the_schema(
    database: Database, role: str
) -> None:
    await init_db(database.dsn, TIMEOUT, agents=role)
    attacker = await asyncpg.connect(as_role(database, role))
    for lock in (0x6D757374657264, 0x6D757374657264 + 1):
        await attacker.execute(f"SELECT pg_advisory_lock({lock})")
    async with both(database.dsn, allowed_now(2.0)) as (writer, reader):
        await writer.announce(host(1))
        assert [member for _, member in (await reader.roster()).seated] == [host(1)]
    await init_db(database.dsn, allowed_now(2.0))
    await attacker.close()


async def test_a_host_with_a_login_of_its_own_has_members_of_its_own(
    database: Database, hosts: tuple[str, str, str]
) -> None:
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    victim, attacker = writer_of(as_role(database, one)), writer_of(as_role(database, two))
    async with both(database.dsn) as (_, reader):
        await victim.announce(host(1, "z"))
        assert await victim.beat(beat_of(host(1), 7))
        with pytest.raises(ShardRefused, match=f"the member belongs to role {one}"):
            await attacker.announce(host(1, "forged"))
        assert not await attacker.write(0, beat_of(host(1), 8))
        await attacker.retire(host(1))
        assert [member for _, member in (await reader.roster()).seated] == [host(1, "z")]
        assert await sequences(reader) == {0: 7}
        assert await victim.beat(beat_of(host(1), 8))
        await reader.retire(host(1))  # forgotten: whoever announces it first has it
        await attacker.announce(host(1))
        with pytest.raises(ShardRefused, match=f"the member belongs to role {two}"):
            await victim.announce(host(1))
    await victim.aclose()
    await attacker.aclose()


@pytest.mark.parametrize(
    "deed",
    [
        "ALTER ROLE {} PASSWORD 'x'",
        "ALTER ROLE {} SET default_transaction_read_only = on",
        "ALTER ROLE {} SET statement_timeout = 1",
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = '{}' AND pid <> pg_backend_pid()"
        ),
    ],
)
async def test_what_a_host_does_to_its_own_login_harms_no_other_host(
    database: Database, hosts: tuple[str, str, str], deed: str
) -> None:
    """Nor does the same, done to the other's login: it is not allowed."""
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    victim = writer_of(as_role(database, one))
    attacker = await asyncpg.connect(as_role(database, two))
    async with both(database.dsn) as (_, reader):
        await victim.announce(host(1))
        assert await victim.beat(beat_of(host(1), 7))
        await attacker.execute(deed.format(two))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attacker.execute(deed.format(one))
        assert await victim.beat(beat_of(host(1), 8))
        await victim.aclose()
        again = writer_of(as_role(database, one))
        await again.announce(host(1))
        assert await again.beat(beat_of(host(1), 9))
        assert [member for _, member in (await reader.roster()).seated] == [host(1)]
        assert await sequences(reader) == {0: 9}
        await again.aclose()
    await attacker.close()


async def test_open_transactions_of_a_host_hold_up_nobody_else(
    database: Database, hosts: tuple[str, str, str]
) -> None:
    """Of all that it may call: what it holds, nobody else waits for."""
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    async with both(database.dsn, allowed_now(2.0)) as (owner, reader):
        attacker = await asyncpg.connect(as_role(database, two))
        mallory = [Member("compute", f"mallory-{n}") for n in range(20)]
        for member in mallory[:10]:
            await announced(attacker, member)
        vacated = owner_of(mallory[0])
        async with attacker.transaction():
            await attacker.execute(f"SELECT musterd.retire({vacated})")
            for member in mallory[10:]:
                await announced(attacker, member)
            await attacker.execute(f"SELECT musterd.beat(3, {owner_of(mallory[3])}, {_RECORD})")
            victim = writer_of(as_role(database, one), allowed_now(2.0))
            for number in range(10):
                await victim.announce(host(number))
                assert await victim.beat(beat_of(host(number), 3))
            await victim.retire(host(9))
            await owner.announce(host(10))
            await reader.write_canary(canary(1))
            seated = [member for _, member in (await reader.roster()).seated]
            assert all(host(n) in seated for n in (*range(9), 10))
            assert sum(s == 3 for s in (await sequences(reader)).values()) == 9
            with in_time(1), pytest.raises(StoreError):  # its own row; not for long
                await reader.retire(mallory[3])
            assert await reader.write_canary(canary(2))
            await victim.aclose()
        await attacker.close()


async def test_numbers_of_slots_that_were_used_up_come_back(
    database: Database, hosts: tuple[str, str, str]
) -> None:
    """By announcements that are taken back: neither newcomers nor arrays feel them."""
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    attacker = await asyncpg.connect(as_role(database, two))
    names = (
        "SELECT musterd.announce(n, 'fleet', 'g', 'm' || n, '', '', '{}', 1, 1000)"
        " FROM generate_series(%d, %d) n"
    )
    for turn in range(6):
        await attacker.execute("BEGIN")
        await attacker.execute(names % (turn * 1000, turn * 1000 + 999))
        await attacker.execute("ROLLBACK")
    await attacker.execute("BEGIN")
    await attacker.execute(names % (1, 20))  # and these are held open
    victim = writer_of(as_role(database, one))
    await victim.announce(host(1))
    slot = database.execute(
        f"SELECT slot FROM musterd.member WHERE member_id = {owner_of(host(1))}"
    )
    assert int(slot) < 4096
    await attacker.close()
    await victim.aclose()


async def test_a_host_has_only_so_many_members(
    database: Database, hosts: tuple[str, str, str]
) -> None:
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    attacker = await asyncpg.connect(as_role(database, two))
    many = (
        "SELECT musterd.announce(n, 'fleet', 'g', 'm' || n, '', '', '{}', 1, 1000)"
        " FROM generate_series(1, %d) n"
    )
    await attacker.execute(many % MEMBERS_OF_A_HOST)
    with pytest.raises(asyncpg.PostgresError, match="as many members as a host may have"):
        await attacker.execute(many % (MEMBERS_OF_A_HOST + 1))
    await attacker.execute(many % MEMBERS_OF_A_HOST)  # again: these it has
    victim = writer_of(as_role(database, one))
    await victim.announce(host(1))
    await attacker.close()
    await victim.aclose()


@pytest.mark.parametrize(
    ("arguments", "broken"),
    [
        (f"1, 'fleet', 'g', '{'n' * 1021}', '', '', '{{}}', 1, 1000", "member_names_at_most"),
        (f"1, 'fleet', 'g', 'n', '{'z' * 1021}', '', '{{}}', 1, 1000", "member_names_at_most"),
        (
            "1, 'fleet', 'g', 'n', '', '', jsonb_build_object('k', repeat('x', 40000)), 1, 1000",
            "member_metadata_at_most_32_kb",
        ),
        ("1, 'fleet', 'g', 'n', '', '', '[1]', 1, 1000", "member_metadata_at_most_32_kb"),
    ],
    ids=["name", "zone", "metadata", "no object"],
)
async def test_what_is_too_long_is_refused(
    database: Database, role: str, arguments: str, broken: str
) -> None:
    await init_db(database.dsn, TIMEOUT, agents=role)
    attacker = await asyncpg.connect(as_role(database, role))
    with pytest.raises(asyncpg.CheckViolationError, match=broken):
        await attacker.execute(f"SELECT musterd.announce({arguments})")
    for length in (0, 63, 65, 8000):
        record = f"decode(repeat('00', {length}), 'hex')"
        for call in (f"beat(0, 1, {record})", f"beat_signed(0, 1, {record}, '', NULL, NULL)"):
            with pytest.raises(asyncpg.PostgresError, match="64 bytes"):
                await attacker.execute(f"SELECT musterd.{call}")
    await attacker.close()


COMPARED = ("integer", "bigint", "text", "bytea", "jsonb")


async def test_the_callers_search_path_means_nothing_to_the_functions(
    database: Database, role: str
) -> None:
    """Operators and functions of a schema that the caller owns must not run as the owner."""
    await init_db(database.dsn, TIMEOUT, agents=role)
    database.execute(f"CREATE SCHEMA trap AUTHORIZATION {role}")
    attacker = await asyncpg.connect(as_role(database, role))
    trap = (
        "CREATE FUNCTION trap.{0}({1}) RETURNS {2} LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'ran as %', CURRENT_USER; END $$"
    )
    for name, arguments, result in (
        ("now", "", "timestamptz"),
        ("hashtext", "text", "integer"),
        ("octet_length", "bytea", "integer"),
        *(("equal", f"{kind}, {kind}", "boolean") for kind in COMPARED),
        ("jsonb_build_array", "text, text, jsonb", "jsonb"),
        ("set_config", "text, text, boolean", "text"),
        ("decode", "text, text", "bytea"),
        ("repeat", "text, integer", "text"),
    ):
        await attacker.execute(trap.format(name, arguments, result))
    for kind in COMPARED:
        await attacker.execute(
            f"CREATE OPERATOR trap.= (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = trap.equal)"
        )
    await attacker.execute("SET search_path = trap, pg_catalog")
    slot = await announced(attacker, host(1))
    record = pack(beat_of(host(1), 5)).hex()
    beat = f"SELECT musterd.beat({slot}, {owner_of(host(1))}, '\\x{record}'::bytea)"
    assert await attacker.fetchval(beat)
    mac = "'\\x00112233445566778899aabbccddeeff'::bytea"
    await attacker.fetchval(
        f"SELECT slot FROM musterd.announce_signed({owner_of(host(1))}, '{NAMESPACE}', 'compute',"
        f" 'host-0001', '', '', '{{}}', {namespace_key(NAMESPACE)}, 1000, {mac})"
    )
    signed = beat.replace("musterd.beat(", "musterd.beat_signed(")[:-1]
    signed = f"{signed}, '{NAMESPACE}', {mac}, '[\"\", \"\", {{}}]')"
    assert await attacker.fetchval(signed) == b""
    async with both(database.dsn) as (_, reader):
        await reader.roster()
    assert await everybody(database.dsn) == {0: 5}
    await attacker.execute(f"SELECT musterd.retire({owner_of(host(1))})")
    await attacker.close()


async def test_relays_write_for_everybody_and_agents_cannot_take_their_members(
    database: Database, hosts: tuple[str, str, str], role: str
) -> None:
    group, one, _ = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group, relays=role)
    relay = PostgresRelay(PgSession(parse_url(as_role(database, role)), TIMEOUT))
    newcomer = Newcomer(NAMESPACE, host(1), b"")
    agent = writer_of(as_role(database, one))
    await agent.announce(host(2))
    await relay.mark(NAMESPACE, -9, 1, pack(canary(1)))
    async with both(database.dsn) as (_, reader):
        slots = await relay.announce([newcomer])
        assert len(slots) == 1
        also = Newcomer(NAMESPACE, host(2), b"")
        assert await relay.announce([also]) == {also.identity: 0}
        with pytest.raises(ShardRefused, match="belongs to role"):
            await agent.announce(host(1))
        assert [member for _, member in (await reader.roster()).seated] == [host(1)]
    relay.link.close()
    await agent.aclose()


async def test_through_pgbouncer_the_login_role_is_known_all_the_same(
    database: Database, hosts: tuple[str, str, str], start_pgbouncer: StartPgBouncer
) -> None:
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    pgbouncer = start_pgbouncer(database.server, default_pool_size=1)
    pgbouncer.stop()
    pgbouncer.passwords |= dict.fromkeys((one, two), "pw")
    pgbouncer.start()
    writers: list[ShardWriter] = [
        writer_of(pgbouncer.dsn_of(database.name, each)) for each in (one, two)
    ]
    await writers[0].announce(host(1))
    assert await writers[0].beat(beat_of(host(1), 4))
    with pytest.raises(ShardRefused, match="belongs to role"):
        await writers[1].announce(host(1))
    assert await everybody(database.dsn) == {0: 4}
    for writer in writers:
        await writer.aclose()


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_a_stricter_isolation_by_default_costs_no_push(
    database: Database, start_pgbouncer: StartPgBouncer, isolation: str, pooled: bool
) -> None:
    await init_db(database.dsn, TIMEOUT)
    database.execute(
        f"ALTER DATABASE {database.name} SET default_transaction_isolation = '{isolation}'"
    )
    url = start_pgbouncer(database.server).dsn_of(database.name) if pooled else database.dsn
    writers = [writer_of(url, timeout=20) for _ in range(8)]

    async def join(number: int) -> None:
        writer = writers[number % 8]
        await writer.announce(host(number))
        assert await writer.beat(beat_of(host(number), 9))

    async with anyio.create_task_group() as tasks:
        for number in range(80):
            tasks.start_soon(join, number)
    assert sorted((await everybody(url)).values()) == [9] * 80
    for writer in writers:
        await writer.aclose()
