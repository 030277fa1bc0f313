"""What a database counts is trusted within one life of it only."""

import signal
from contextlib import suppress

import anyio
import asyncpg
import pytest

from musterd.errors import StoreError
from musterd.stores import ShardWriter
from musterd.stores.postgres.schema import init_db
from musterd.testing import keeper
from musterd.testing.busy import in_time
from musterd.testing.servers import Database, Postgres
from musterd_coordinator.sweep.base import ShardReader
from tests.conftest import StartPostgres
from tests.service.postgres_fleet import (
    TIMEOUT,
    beat_of,
    both,
    canary,
    host,
    reader_of,
    rows_of,
    sequences,
)
from tests.service.registries import entry, opened, record

pytestmark = pytest.mark.usefixtures("tables")

LAZY = {**Postgres.cheap, "wal_writer_delay": "10s", "autovacuum": "off"}
"""It loses what was committed in the last seconds without waiting for the disk."""

_AHEAD = "SELECT count(*) FROM musterd.{} WHERE changed >= pg_snapshot_xmax(pg_current_snapshot())"


async def one_process_dies(server: Postgres) -> None:
    """As when the kernel is out of memory: the others are ended, and the server recovers."""
    connection = await asyncpg.connect(server.dsn)
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    keeper.send(pid, signal.SIGKILL)
    with in_time(20):
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.execute("SELECT pg_sleep(20)")
        while True:
            try:
                again = await asyncpg.connect(server.dsn)
                return await again.close()
            except (OSError, asyncpg.PostgresError):
                await anyio.sleep(0.01)


async def join(writer: ShardWriter, numbers: range) -> None:
    for number in numbers:
        with in_time(20):
            while not await stored(writer, number):
                pass


async def stored(writer: ShardWriter, number: int) -> bool:
    try:
        await writer.announce(host(number))
        return await writer.beat(beat_of(host(number), 9))
    except StoreError:
        return False


async def swept(reader: ShardReader) -> dict[int, int]:
    with in_time(20):
        while True:
            try:
                await reader.write_canary(canary(1))
                await reader.roster()
                return await sequences(reader)
            except StoreError:
                continue


async def test_numbers_that_a_crash_gives_away_again_hide_no_newcomer(
    start_postgres: StartPostgres,
) -> None:
    """The same server, by its start time; but what was committed last is lost, numbers and all."""
    server = start_postgres(**LAZY)
    start = "SELECT pg_postmaster_start_time()"
    began = server.execute(start)
    async with both(server.dsn) as (writer, reader):
        await swept(reader)
        for turn in range(2):
            await join(writer, range(100 * turn, 100 * turn + 8))
            await reader.roster()
            await one_process_dies(server)
            newcomers = range(100 * turn + 50, 100 * turn + 54)
            await join(writer, newcomers)
            heard = await swept(reader)
            held = server.execute(
                "SELECT slot FROM musterd.beat WHERE slot >= 0"
                " AND get_byte(record, 0) > 0 ORDER BY slot"
            )
            assert sorted(heard) == [int(slot) for slot in held.split()]
            assert len(heard) >= 4
    assert server.execute(start) == began


async def test_a_registry_hears_of_what_was_written_after_a_crash(
    start_postgres: StartPostgres,
) -> None:
    server = start_postgres(**LAZY, synchronous_commit="off")
    async with opened(server.dsn) as mine, opened(server.dsn) as other:
        await mine.changed()
        server.execute("CHECKPOINT")  # or the crash may take the tables along
        await record(other, [entry(f"lost-{n}") for n in range(3)])
        for number in range(5):
            await record(other, [entry(f"lost-{number}")])
        await mine.changed()
        await one_process_dies(server)
        await saved(other)
        with in_time(20):
            while True:
                try:
                    news = await mine.changed()
                    break
                except Exception:  # noqa: BLE001, S112 (until the server is back)
                    continue
        assert "kept" in [each.member.name for each in news if not isinstance(each, tuple)]


async def saved(registry: object) -> None:
    with in_time(20):
        while True:
            try:
                return await record(registry, [entry("kept")])  # type: ignore[arg-type]
            except Exception:  # noqa: BLE001 (until the server is back)
                await anyio.sleep(0.01)


async def test_rows_of_a_restored_dump_are_read_once(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    database.execute(rows_of((f"h{n}" for n in range(700)), "(1000000000 + {slot})::text::xid8"))
    assert database.execute(_AHEAD.format("member")) == "700"
    reader = reader_of(database.dsn)
    assert len((await reader.roster()).seated) == 700
    assert database.execute(_AHEAD.format("member")) == "0"
    assert (await reader.roster()).seated == []
    await reader.aclose()


async def test_the_registrys_rows_of_a_restored_dump_are_read_once(database: Database) -> None:
    async with opened(database.dsn) as registry:
        await record(registry, [entry("a"), entry("b")])
        database.execute("UPDATE musterd.registry SET changed = '1000000000'")
        async with opened(database.dsn) as other:
            assert [entry async for part in other.load() for entry in part.samples]
            assert database.execute(_AHEAD.format("registry")) == "0"
            await other.changed()
            assert await other.changed() == []


async def test_a_damaged_row_ahead_of_all_transactions_stops_no_reading(
    database: Database,
) -> None:
    """It cannot be written, for it breaks a rule that is newer than itself."""
    await init_db(database.dsn, TIMEOUT)
    checks = "member_metadata_at_most_32_kb"
    database.execute(
        f"ALTER TABLE musterd.member DROP CONSTRAINT {checks};"
        + rows_of(["good", "bad"], "1000000000::text::xid8")
        + ";UPDATE musterd.member SET metadata = '[]' WHERE slot = 1;"
        f"ALTER TABLE musterd.member ADD CONSTRAINT {checks}"
        " CHECK (jsonb_typeof(metadata) = 'object') NOT VALID"
    )
    reader = reader_of(database.dsn)
    for seated in (1, 0):
        assert len((await reader.roster()).seated) == seated
    await reader.aclose()
