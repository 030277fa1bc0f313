"""The PostgreSQL store on real servers: what the contract suite does not ask of every store."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import asyncpg
import pytest

from musterd.beat import Beat
from musterd.errors import ShardRefused, ShardUnavailable, StoreError
from musterd.model import Member
from musterd.stores import ShardReader
from musterd.stores.postgres_link import Link
from musterd.stores.postgres_schema import VERSION, init_db, init_sql
from musterd.stores.postgres_url import parse_url
from musterd.testing.servers import Database, PgBouncer, Postgres
from tests.conftest import StartPgBouncer, StartPostgres
from tests.service.postgres_fleet import (
    TIMEOUT,
    beat_of,
    both,
    canary,
    everybody,
    host,
    reader_of,
    rows_of,
    sequences,
    writer_of,
)


async def test_no_tables_is_said_with_the_cure(database: Database) -> None:
    writer = writer_of(database.dsn)
    with pytest.raises(ShardRefused, match="run 'musterd init-db' or start the coordinator"):
        await writer.announce(host(1))
    await writer.aclose()


async def test_coordinator_makes_the_tables_and_makes_them_again(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        assert len((await reader.roster()).seated) == 1
        database.execute("DROP SCHEMA musterd CASCADE")
        with pytest.raises(ShardRefused):
            await reader.sweep()
        roster = await reader.roster()
        assert (roster.seated, roster.vacated) == ([], [0])
        assert not await writer.beat(beat_of(host(1)))
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1)))


async def test_slots_are_dense_and_used_again(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        for number in range(50):
            await writer.announce(host(number))
            await writer.retire(host(number))
        await writer.announce(host(50))
        await writer.announce(host(51))
        seated = (await reader.roster()).seated
        assert sorted(slot for slot, _ in seated) == [0, 1]


async def test_many_newcomers_at_once_get_a_slot_each(database: Database) -> None:
    writers = [writer_of(database.dsn, timeout=30) for _ in range(8)]
    async with both(database.dsn) as (_, reader):
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(writers[number % 8].announce, host(number % 100))
        seated = (await reader.roster()).seated
        slots = {slot for slot, _ in seated}  # two of one name may leave a vacant one between
        assert len(slots) == 100
        assert max(slots) < 200
        assert {member.name for _, member in seated} == {host(n).name for n in range(100)}
    for writer in writers:
        await writer.aclose()


async def test_roster_misses_no_late_commit(database: Database) -> None:
    """A transaction that began before a reading and commits after it, with later ones between."""
    async with both(database.dsn) as (writer, reader):
        late = await asyncpg.connect(database.dsn)
        transaction = late.transaction()
        await transaction.start()
        await late.execute("SELECT pg_current_xact_id()")
        await writer.announce(host(1))
        assert [member for _, member in (await reader.roster()).seated] == [host(1)]
        await late.execute(rows_of(["late"], first=7))
        assert (await reader.roster()).seated == []
        await transaction.commit()
        await late.close()
        assert (await reader.roster()).seated == [(7, Member("compute", "late"))]
        assert (await reader.roster()).seated == []


async def test_roster_in_pages(database: Database) -> None:
    async with both(database.dsn) as (_, reader):
        database.execute(rows_of(f"h{n}" for n in range(1235)))
        fresh = reader_of(database.dsn)
        for each in (reader, fresh):
            seated = (await each.roster()).seated
            assert sorted(slot for slot, _ in seated) == list(range(1235))
            assert (await each.roster()).seated == []
        database.execute(
            "UPDATE musterd.member SET zone = 'z', changed = pg_current_xact_id() WHERE slot < 1100"
        )
        assert len((await reader.roster()).seated) == 1100
        await fresh.aclose()


async def test_pages_come_in_the_order_of_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of transactions sort as numbers: 99 before 100."""
    monkeypatch.setattr("musterd.stores.postgres_roster.PAGE", 2)
    await init_db(database.dsn, TIMEOUT)
    database.execute(rows_of((f"h{n}" for n in range(9)), "(96 + {slot})::text::xid8"))
    reader = reader_of(database.dsn)
    assert [slot for slot, _ in (await reader.roster()).seated] == list(range(9))
    await reader.aclose()


async def test_rows_that_are_no_members_are_left_out(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        database.execute(
            "INSERT INTO musterd.member VALUES"
            " (1, 1, 'fleet', 'compute', 'a/b', '', '', '{}', pg_current_xact_id()),"
            " (2, 2, 'fleet', 'compute', 'c', '', '', '{\"a\": 1}', pg_current_xact_id())"
        )
        assert (await reader.roster()).seated == [(0, host(1))]


async def test_namespaces_share_the_tables_and_nothing_else(database: Database) -> None:
    other_writer = writer_of(database.dsn, namespace="other")
    other_reader = reader_of(database.dsn, namespace="other")
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        await other_writer.announce(host(1))
        assert await writer.beat(beat_of(host(1), sequence=5))
        assert (await reader.roster()).seated == [(0, host(1))]
        assert (await other_reader.roster()).seated == [(1, host(1))]
        await reader.write_canary(canary(1))
        await other_reader.write_canary(canary(2))
        assert await sequences(reader) == {0: 5}
        assert await sequences(other_reader) == {}
        mine, other = (await reader.sweep()).canary, (await other_reader.sweep()).canary
        assert mine is not None
        assert other is not None
        assert (mine.sequence, other.sequence) == (1, 2)
        await writer.retire(host(1))  # its slot goes to the other namespace
        await other_writer.announce(host(2))
        assert (await reader.roster()).vacated == [0]
        assert (await other_reader.roster()).seated == [(0, host(2))]
    await other_writer.aclose()
    await other_reader.aclose()


async def test_foreign_and_broken_records_are_counted_not_believed(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        for number in range(4):
            await writer.announce(host(number))
            await writer.beat(beat_of(host(number)))
        await reader.roster()
        set_byte = "UPDATE musterd.beat SET record = set_byte(record, {}, {}) WHERE slot = {}"
        for byte, value, slot in ((0, 1, 0), (8, 1, 1), (3, 9, 2)):
            database.execute(set_byte.format(byte, value, slot))
        sweep = await reader.sweep()
        assert sweep.beats.slot.tolist() == [3]
        assert (sweep.rejected.magic, sweep.rejected.member_id, sweep.rejected.field) == (1, 1, 1)


async def test_a_record_of_another_length_hides_nobody_else_and_the_next_beat_mends_it(
    database: Database,
) -> None:
    async with both(database.dsn) as (writer, reader):
        for number in range(3):
            await writer.announce(host(number))
            await writer.beat(beat_of(host(number)))
        await reader.roster()
        for slot, length in ((0, 63), (1, 0)):
            database.execute(
                f"UPDATE musterd.beat SET record = substr(record, 1, {length}) WHERE slot = {slot}"
            )
        assert await sequences(reader) == {2: 1}
        assert database.execute("SELECT name FROM musterd.beats") == host(2).name
        for number in range(2):
            assert await writer.beat(beat_of(host(number), 2))
        assert await sequences(reader) == {0: 2, 1: 2}


async def test_a_seat_that_did_not_beat_yet_is_no_reject(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        await reader.roster()
        sweep = await reader.sweep()
        assert len(sweep.beats.slot) == sum(sweep.rejected) == 0


async def test_crash_recovery_empties_the_beats_and_all_heals(
    start_postgres: StartPostgres,
) -> None:
    server = start_postgres()
    async with both(server.dsn) as (writer, reader):
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1), 1))
        assert await reader.write_canary(canary(1))
        await reader.roster()
        server.kill()
        with pytest.raises(ShardUnavailable):
            await writer.beat(beat_of(host(1), 2))
        server.start()
        assert not await writer.beat(beat_of(host(1), 3))
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1), 4))
        assert not await reader.write_canary(canary(2))
        assert await reader.write_canary(canary(3))
        roster = await reader.roster()  # another run of the server: everybody again
        assert (roster.seated, roster.vacated) == ([(0, host(1))], [])
        assert await sequences(reader) == {0: 4}


async def test_what_blocks_agents_blocks_the_canary(database: Database) -> None:
    async with both(database.dsn, timeout=2.0) as (writer, reader):
        await writer.announce(host(1))
        await reader.write_canary(canary(1))
        blocker = await asyncpg.connect(database.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE musterd.beat IN EXCLUSIVE MODE")
            for call in (writer.beat(beat_of(host(1))), reader.write_canary(canary(2))):
                with pytest.raises(ShardUnavailable, match="no answer within 2 s"):
                    await call
            assert (await reader.sweep()).canary == canary(1)
        await blocker.close()
        assert await writer.beat(beat_of(host(1)))
        assert await reader.write_canary(canary(3))


@pytest.mark.parametrize("pooled", [False, True])
async def test_blocked_statements_do_not_pile_up_on_the_server(
    database: Database, pgbouncer: PgBouncer, pooled: bool
) -> None:
    url = pgbouncer.dsn_of(database.name) if pooled else database.dsn
    async with both(url, timeout=30) as (patient, _), both(url, timeout=0.3) as (writer, _):
        await patient.announce(host(1))
        await until_done(lambda: writer.announce(host(1)))
        blocker = await asyncpg.connect(database.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE musterd.member, musterd.beat")
            calls = (
                lambda: writer.beat(beat_of(host(1))),
                lambda: writer.announce(host(1)),
                lambda: writer.retire(host(1)),
            )
            for call in calls * 2:
                with pytest.raises(ShardUnavailable):
                    await call()
            with anyio.fail_after(5):
                while await blocker.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                ):
                    await blocker.execute("SELECT pg_stat_clear_snapshot()")
        await blocker.close()


async def until_done(call: Callable[[], Awaitable[object]]) -> None:
    """On a busy machine a short time-out may run out where nothing is wrong."""
    with anyio.fail_after(60):
        while True:
            with suppress(ShardUnavailable):
                await call()
                return


async def by_printed_sql(database: Database, agents: str, coordinators: str) -> None:
    database.execute(init_sql(agents, coordinators))


async def by_init_db(database: Database, agents: str, coordinators: str) -> None:
    await init_db(database.dsn, TIMEOUT, agents=agents, coordinators=coordinators)


@pytest.mark.parametrize("prepare", [by_printed_sql, by_init_db])
async def test_agents_need_no_ddl_and_coordinators_none_but_to_upgrade(
    database: Database, prepare: Callable[[Database, str, str], Awaitable[None]]
) -> None:
    name = database.name
    agents, coordinators = f"{name}_a", f"{name}_c"
    for role in (agents, coordinators):
        database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        await prepare(database, agents, coordinators)
        agent = writer_of(database.server.dsn_of(name, agents, "pw"))
        reader = reader_of(database.server.dsn_of(name, coordinators, "pw"))
        await agent.announce(host(1))
        assert await agent.beat(beat_of(host(1)))
        assert (await reader.roster()).seated == [(0, host(1))]
        assert await reader.write_canary(canary(1))
        assert await sequences(reader) == {0: 1}
        await reader.retire(host(1))
        await agent.announce(host(2))
        await agent.retire(host(2))
        for each in (agent, reader):
            await each.aclose()
    finally:
        for role in (agents, coordinators):
            database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_missing_rights_are_said_with_the_cure(database: Database) -> None:
    role = f"{database.name}_r"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        reader = reader_of(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(ShardRefused, match="permission denied for database"):
            await reader.roster()
        await init_db(database.dsn, TIMEOUT)
        writer = writer_of(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(ShardRefused, match="grant what 'musterd init-db --print' shows"):
            await writer.announce(host(1))
        await writer.aclose()
        await reader.aclose()
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_newer_tables_are_refused(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    await init_db(database.dsn, TIMEOUT)
    database.execute("UPDATE musterd.schema_version SET version = 99")
    reader = reader_of(database.dsn)
    with pytest.raises(ShardRefused, match="version 99"):
        await reader.roster()
    await reader.aclose()


async def test_two_coordinators_make_the_tables_at_once(database: Database) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(init_db, database.dsn, TIMEOUT)
    assert database.execute("SELECT version FROM musterd.schema_version") == str(VERSION)


async def test_people_can_read_the_beats(database: Database) -> None:
    async with both(database.dsn) as (writer, _):
        await writer.announce(host(1, zone="z"))
        beat = Beat(beat_of(host(1)).member_id, 0xFEDCBA9876543210, 2**63 + 5, 2500, sent_ms=1000)
        await writer.beat(beat)
        row = database.execute(
            "SELECT name, status, interval_s::float, incarnation, sequence,"
            " extract(epoch FROM sent_at)::int FROM musterd.beats"
        )
        assert row == f"host-0001|ok|2.5|fedcba9876543210|{2**63 + 5}|1"


async def test_through_pgbouncer_in_transaction_mode(
    database: Database, start_pgbouncer: StartPgBouncer
) -> None:
    """Many clients on two server connections: nothing may depend on the session."""
    pgbouncer = start_pgbouncer(database.server, default_pool_size=2)
    url = pgbouncer.dsn_of(database.name)
    writers = [writer_of(url) for _ in range(12)]
    async with both(url) as (_, reader):

        async def live(number: int) -> None:
            writer = writers[number]
            await writer.announce(host(number))
            for sequence in range(1, 21):
                assert await writer.beat(beat_of(host(number), sequence))

        async def watch() -> None:
            for sequence in range(1, 11):
                await reader.renew()
                await reader.write_canary(canary(sequence))
                await reader.roster()
                assert (await reader.sweep()).canary == canary(sequence)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            for number in range(12):
                tasks.start_soon(live, number)
        assert sorted((await everybody(url)).values()) == [20] * 12
    for writer in writers:
        await writer.aclose()
    leaked = "SELECT count(*) FROM pg_prepared_statements"
    assert database.execute(leaked) == "0"


async def test_full_server_and_starting_server_are_said_in_words(
    start_postgres: StartPostgres,
) -> None:
    server = start_postgres(max_connections=4, superuser_reserved_connections=0, max_wal_senders=0)
    held = [await asyncpg.connect(server.dsn) for _ in range(4)]
    writer = writer_of(server.dsn)
    with pytest.raises(StoreError, match="too many clients already"):
        await writer.announce(host(1))
    for connection in held:
        connection.terminate()
    server.pause()
    hasty = writer_of(server.dsn, timeout=0.2)
    with pytest.raises(ShardUnavailable, match=r"no answer within 0\.2 s"):
        await hasty.announce(host(1))
    server.resume()
    server.stop()
    with pytest.raises(ShardUnavailable, match="connection refused"):
        await hasty.announce(host(1))


async def test_a_full_server_renews_no_connection_and_keeps_the_old_one(
    start_postgres: StartPostgres,
) -> None:
    server = start_postgres(max_connections=6, superuser_reserved_connections=0, max_wal_senders=0)
    async with both(server.dsn) as (_, reader):
        await reader.write_canary(canary(1))
        held = [await asyncpg.connect(server.dsn) for _ in range(4)]
        with pytest.raises(StoreError, match="too many clients already"):
            await reader.renew()
        assert await reader.write_canary(canary(2))
        await held.pop().close()
        await until_renewed(reader)
        assert await reader.write_canary(canary(3))
        for connection in held:
            connection.terminate()


async def test_asyncpgs_own_confusion_is_said_as_what_causes_it(database: Database) -> None:
    """Its protocol says so when a session was ended between two calls."""
    link = Link(parse_url(database.dsn), TIMEOUT)
    with pytest.raises(ShardUnavailable, match="connection lost"):
        async with link.session():
            raise asyncpg.InternalClientError("cannot switch to state 12")
    link.close()


async def test_a_renewed_canary_is_the_same_in_another_place(database: Database) -> None:
    place = "SELECT ctid FROM musterd.beat"
    async with both(database.dsn) as (_, reader):
        await reader.renew()
        assert database.execute(place) == ""
        await reader.write_canary(canary(1))
        before = database.execute(place)
        await reader.renew()
        assert database.execute(place) not in ("", before)
        assert (await reader.sweep()).canary == canary(1)
        database.execute("TRUNCATE musterd.beat")
        await reader.renew()
        assert not await reader.write_canary(canary(2))


async def until_renewed(reader: ShardReader) -> None:
    """Ask for a new connection until there is one; a session takes a moment to end."""
    with anyio.fail_after(5):
        while True:
            with suppress(StoreError):
                return await reader.renew()


async def test_a_host_that_hangs_is_not_asked_first_for_ever(
    start_postgres: StartPostgres, database: Database
) -> None:
    hung = start_postgres(**Postgres.cheap)
    hung.pause()
    server = database.server
    url = database.dsn.replace(server.address, f"{hung.address},{server.address}")
    writer = writer_of(url, timeout=0.5)
    await init_db(database.dsn, TIMEOUT)
    with pytest.raises(ShardUnavailable):
        await writer.announce(host(1))
    await until_done(lambda: writer.announce(host(1)))
    await until_done(lambda: writer.beat(beat_of(host(1))))
    await writer.aclose()
    hung.resume()


async def test_a_read_only_server_takes_no_canary(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    async with both(server.dsn) as (_, reader):
        await reader.write_canary(canary(1))
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        server.execute("SELECT pg_reload_conf()")
        with pytest.raises(ShardRefused, match="read-only transaction"):
            await until_refused(reader)


async def until_refused(reader: ShardReader) -> None:
    """Write canaries on fresh connections; a setting takes a moment to be reloaded."""
    with anyio.fail_after(5):
        while True:
            await reader.renew()
            await reader.write_canary(canary(2))


async def test_a_roster_read_that_is_cut_off_goes_on_where_it_was(database: Database) -> None:
    count = 3000
    async with both(database.dsn) as (_, reader):
        for first in range(0, count, 500):
            database.execute(rows_of((f"h{first + n}" for n in range(500)), first=first))
        dice = random.Random(3)
        seated: dict[int, Member] = {}
        while len(seated) < count:
            with anyio.move_on_after(dice.uniform(0.005, 0.03)):
                seated.update((await reader.roster()).seated)
        assert (await reader.roster()).seated == []
