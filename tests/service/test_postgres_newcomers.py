"""However many newcomers there are in a database, those who are known are judged meanwhile."""

from collections.abc import Iterator
from functools import partial

import pytest

from musterd.stores import ShardWriter
from musterd.testing.busy import in_time
from musterd.testing.servers import Database
from musterd_coordinator.sweep.base import ShardReader
from musterd_coordinator.sweep.rows.doubts import Doubts
from tests.service import postgres_fleet
from tests.service.postgres_fleet import beat_of, canary, host, reader_of, rows_of

pytestmark = pytest.mark.usefixtures("tables")

KNOWN = 3
STEP = 4  # rows that one call reads here


both = partial(postgres_fleet.both, page=2, portion=STEP)


async def join(writer: ShardWriter) -> None:
    for number in range(KNOWN):
        await writer.announce(host(number))


async def whole(reader: ShardReader) -> int:
    """Read all there is; how many calls had more to read."""
    calls = 0
    while (await reader.roster()).more:
        calls += 1
    return calls


async def heard(writer: ShardWriter, reader: ShardReader, sequence: int) -> dict[int, int]:
    """Let a member beat; who is heard, by slot, in a sweep that proves something."""
    await writer.beat(beat_of(host(0), sequence))
    await reader.write_canary(canary(sequence))
    sweep = await reader.sweep()
    assert (sweep.complete, sweep.canary) == (True, canary(sequence))
    return dict(zip(sweep.beats.slot.tolist(), sweep.beats.sequence.tolist(), strict=True))


def crowds(size: int) -> Iterator[str]:
    """SQL for one crowd after the other, each written by one transaction."""
    first = 100
    while True:
        yield rows_of((f"n{first + number}" for number in range(size)), first=first)
        first += size


async def test_newcomers_without_end_hold_up_nobody_who_is_known(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await join(writer)
        await whole(reader)
        crowd, seated = crowds(3 * STEP), list[int]()
        for sequence in range(1, 8):
            database.execute(next(crowd))
            roster = await reader.roster()
            assert not roster.more
            assert 0 < len(roster.seated) <= STEP + 2
            seated += [slot for slot, _ in roster.seated]
            assert (await heard(writer, reader, sequence))[0] == sequence
        while more := (await reader.roster()).seated:
            seated += [slot for slot, _ in more]
        assert sorted(seated) == list(range(100, 100 + 7 * 3 * STEP))


async def test_whoever_begins_reads_everybody_before_a_sweep_means_anything(
    database: Database,
) -> None:
    async with both(database.dsn) as (writer, _):
        await join(writer)
        database.execute(next(crowds(3 * STEP)))
        fresh = reader_of(database.dsn, coordinator="fresh", page=2, portion=STEP)
        assert await whole(fresh) >= 3
        await fresh.aclose()


async def test_in_another_life_of_the_database_as_well(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await join(writer)
        database.execute(next(crowds(3 * STEP)))
        await whole(reader)
        database.execute("DELETE FROM musterd.life")  # as a crash does
        assert await whole(reader) >= 3


async def test_doubts_of_the_roster_hold_up_nobody(database: Database) -> None:
    """Somebody spoils his own record: everything is read again, and the others are heard."""
    async with both(database.dsn) as (writer, reader):
        await join(writer)
        database.execute(next(crowds(3 * STEP)))
        await whole(reader)
        await writer.beat(beat_of(host(2), 1))
        database.execute(
            "UPDATE musterd.beat SET record = overlay(record placing '\\xff' from 9) WHERE slot = 2"
        )
        again = list[int]()
        for sequence in range(1, Doubts.FIRST + 8):
            roster = await reader.roster()
            assert not roster.more
            again += [slot for slot, _ in roster.seated]
            assert (await heard(writer, reader, sequence))[0] == sequence
        assert {0, 1, 2, *range(100, 100 + 3 * STEP)} <= set(again)


async def test_one_who_is_vacated_behind_a_crowd_is_found_in_time(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await join(writer)
        await whole(reader)
        database.execute(next(crowds(3 * STEP)))
        await reader.retire(host(1))
        vacated = list[int]()
        with in_time(30):
            while not vacated:
                vacated += (await reader.roster()).vacated
        assert vacated == [1]
