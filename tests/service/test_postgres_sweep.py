"""Sweeps of a real PostgreSQL, in one go and by halves."""

import random

import anyio
import asyncpg
import pytest

from musterd.errors import ShardCorrupt
from musterd.stores.postgres.session import Connection
from musterd.testing.busy import in_time
from musterd.testing.servers import Database, PgBouncer
from musterd_coordinator.sweep.postgres.scan import Collect, Scan
from tests.conftest import StartPgBouncer
from tests.service.postgres_fleet import beat_of, both, canary, host, sequences

pytestmark = pytest.mark.usefixtures("reading", "tables")


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every query that a sweep copies."""
    queries: list[str] = []
    copy = Scan._copy

    async def note(self: Scan, connection: Connection, query: str, collect: Collect) -> None:
        queries.append(query)
        await copy(self, connection, query, collect)

    monkeypatch.setattr(Scan, "_copy", note)
    return queries


async def test_a_sweep_of_many_chunks(database: Database) -> None:
    """Members between many rows that are nobody's, and the canary behind them."""
    async with both(database.dsn) as (writer, reader):
        rows = (
            "INSERT INTO musterd.beat SELECT n, now(), n, namespace_key, record"
            " FROM musterd.beat, generate_series({0}, {0} + 19999) n WHERE slot = 0"
        )
        for number in range(3):
            await writer.announce(host(number))
            assert await writer.beat(beat_of(host(number), 7 + number))
            database.execute(rows.format(100 + 20000 * number))
        await reader.write_canary(canary(3))
        await reader.roster()
        sweep = await reader.sweep()
        assert sorted(sweep.beats.sequence.tolist()) == [7, 8, 9]
        assert (sweep.canary, sweep.complete, sum(sweep.rejected)) == (canary(3), True, 0)


async def test_a_copy_of_something_else_is_corrupt_and_the_next_sweep_is_right(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        await writer.beat(beat_of(host(1), 5))
        await reader.roster()
        with monkeypatch.context() as patch:
            of = "FROM musterd.beat, generate_series(1, 50000) WHERE slot >= 0"
            patch.setattr(reader._scan, "_beats", f"SELECT slot, '\\x00'::bytea {of}")  # type: ignore[attr-defined]
            with pytest.raises(ShardCorrupt, match="a row of a COPY has"):
                await reader.sweep()
        assert await sequences(reader) == {0: 5}


@pytest.mark.parametrize("pooled", [False, True])
async def test_cancelled_at_any_moment_the_next_call_is_right(
    database: Database, pgbouncer: PgBouncer, pooled: bool
) -> None:
    url = pgbouncer.dsn_of(database.name) if pooled else database.dsn
    dice = random.Random(20)
    async with both(url) as (writer, reader):
        await writer.announce(host(1))
        await reader.roster()
        for sequence in range(1, 31):
            calls = (
                lambda: writer.beat(beat_of(host(1), sequence)),  # noqa: B023
                lambda: writer.announce(host(1)),
                lambda: reader.write_canary(canary(sequence)),  # noqa: B023
                reader.roster,
                reader.sweep,
            )
            with anyio.move_on_after(dice.uniform(0, 0.004)):
                await dice.choice(calls)()
            assert await writer.beat(beat_of(host(1), 1000 + sequence))
            await reader.write_canary(canary(1000 + sequence))
            sweep = await reader.sweep()
            assert sweep.canary == canary(1000 + sequence)
            assert sweep.beats.sequence.tolist() == [1000 + sequence]


async def test_a_call_that_is_cut_off_leaves_no_transaction_open(database: Database) -> None:
    """One would hold back the vacuum of everybody's beats until the server ends it."""
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'musterd'"
        " AND datname = current_database() AND state <> 'idle'"
    )
    watcher = await asyncpg.connect(database.dsn)
    async with both(database.dsn, timeout=30) as (_, reader):
        for turns in range(2, 40):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reader.sweep)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            with in_time(10):
                while await watcher.fetchval(busy):
                    await anyio.lowlevel.checkpoint()
    await watcher.close()


_MOVED = """
WITH moved AS (DELETE FROM musterd.beat WHERE slot = 0 RETURNING *)
INSERT INTO musterd.beat SELECT * FROM moved
"""


async def test_a_row_that_moves_between_the_halves_is_read_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that finds no room in the page of its row writes it anew at the end."""
    copy, turn = Scan._copy, anyio.Lock()

    async def copy_then_move(
        self: Scan, connection: Connection, query: str, collect: Collect
    ) -> None:
        async with turn:
            await copy(self, connection, query, collect)
            database.execute(_MOVED)

    async with both(database.dsn) as (writer, reader):
        for number in range(300):
            await writer.announce(host(number))
            assert await writer.beat(beat_of(host(number), 1 + number))
        await reader.roster()
        monkeypatch.setattr(Scan, "_copy", copy_then_move)
        assert await sequences(reader) == {slot: slot + 1 for slot in range(300)}


async def test_halves_need_two_connections_of_the_server(
    database: Database, start_pgbouncer: StartPgBouncer, copies: list[str], reading: str
) -> None:
    """A pooler with a single one would let the second half wait for ever."""
    pooled = start_pgbouncer(database.server, default_pool_size=1).dsn_of(database.name)
    for url, expected in ((database.dsn, reading), (pooled, "whole")):
        async with both(url) as (writer, reader):
            await writer.announce(host(1))
            await writer.beat(beat_of(host(1), 5))
            await reader.write_canary(canary(1))
            await reader.roster()
            copies.clear()
            sweep = await reader.sweep()
        assert (sweep.beats.sequence.tolist(), sweep.canary) == ([5], canary(1))
        assert len(copies) == (2 if expected == "halves" else 1)


async def test_a_table_of_no_members_and_no_canary(database: Database) -> None:
    async with both(database.dsn) as (_, reader):
        sweep = await reader.sweep()
        assert (len(sweep.beats.slot), sweep.canary, sweep.complete) == (0, None, True)
