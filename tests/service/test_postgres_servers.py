"""PostgreSQL servers that crash, block, are full, hang, only read, or stand behind PgBouncer."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import asyncpg
import pytest

from musterd.errors import ShardRefused, ShardUnavailable, StoreError
from musterd.stores.postgres.schema import init_db
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database, PgBouncer, Postgres
from musterd_coordinator.sweep.base import ShardReader
from tests.conftest import StartPgBouncer, StartPostgres
from tests.service.postgres_fleet import (
    TIMEOUT,
    beat_of,
    both,
    canary,
    everybody,
    host,
    sequences,
    writer_of,
)


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
    timeout = allowed_now(2.0)
    async with both(database.dsn, timeout) as (writer, reader):
        await writer.announce(host(1))
        await reader.write_canary(canary(1))
        blocker = await asyncpg.connect(database.dsn)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE musterd.beat IN EXCLUSIVE MODE")
            for call in (writer.beat(beat_of(host(1))), reader.write_canary(canary(2))):
                with pytest.raises(ShardUnavailable, match=f"no answer within {timeout:g} s"):
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
            with in_time(5):
                while await blocker.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                ):
                    await blocker.execute("SELECT pg_stat_clear_snapshot()")
        await blocker.close()


async def until_done(call: Callable[[], Awaitable[object]]) -> None:
    """On a busy machine a short time-out may run out where nothing is wrong."""
    with in_time(60):
        while True:
            with suppress(ShardUnavailable):
                await call()
                return


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
    timeout = allowed_now(0.2)
    hasty = writer_of(server.dsn, timeout)
    with pytest.raises(ShardUnavailable, match=f"no answer within {timeout:g} s"):
        await hasty.announce(host(1))
    server.resume()
    server.stop()
    with pytest.raises(ShardUnavailable, match="connection refused"):
        await writer.announce(host(1))


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
    link = PgSession(parse_url(database.dsn), TIMEOUT)
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
    with in_time(5):
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
        with pytest.raises(ShardRefused, match="read-only"):
            await until_refused(reader)


async def until_refused(reader: ShardReader) -> None:
    """Write canaries on fresh connections; a setting takes a moment to be reloaded."""
    with in_time(5):
        while True:
            await reader.renew()
            await reader.write_canary(canary(2))
