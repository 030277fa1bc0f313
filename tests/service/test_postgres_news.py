"""Sweeps of a real PostgreSQL bring what is new, all of it, and say how much is as it was."""

import asyncpg
import pytest

from musterd.stores import ShardWriter
from musterd.testing.servers import Database
from musterd_coordinator.sweep.base import BeatBatch, ShardReader
from musterd_coordinator.sweep.postgres.mark import SnapshotMark
from tests.service.postgres_fleet import beat_of, both, canary, host, sequences

pytestmark = pytest.mark.usefixtures("reading", "tables")

_SPOIL = "UPDATE musterd.beat SET record = set_byte(record, 8, 1) WHERE slot = {}"


async def fleet(writer: ShardWriter, reader: ShardReader, size: int = 5) -> None:
    """So many members who have beat once, and whom the reader knows."""
    for number in range(size):
        await writer.announce(host(number))
        assert await writer.beat(beat_of(host(number), 1))
    await reader.write_canary(canary(1))
    await reader.roster()


def told(sweep: BeatBatch) -> tuple[list[int], int]:
    """The slots with a new beat, and how many members' beats are as they were."""
    return sorted(sweep.beats.slot.tolist()), sweep.unchanged


async def test_only_new_beats_come_and_the_canary_is_known_all_along(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        assert told(await reader.sweep()) == ([0, 1, 2, 3, 4], 0)
        sweep = await reader.sweep()
        assert (told(sweep), sweep.canary, sweep.present) == (([], 5), canary(1), 5)
        assert await writer.beat(beat_of(host(3), 2))
        await reader.write_canary(canary(2))
        sweep = await reader.sweep()
        assert (told(sweep), sweep.canary, sweep.present) == (([3], 4), canary(2), 5)
        await writer.retire(host(4))
        await reader.roster()
        assert told(await reader.sweep()) == ([], 4)


async def test_a_beat_that_was_committed_late_is_not_missed(database: Database) -> None:
    """It was written before a sweep that could not see it, and others were written after it."""
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        await reader.sweep()
        late = await asyncpg.connect(database.dsn)
        transaction = late.transaction()
        await transaction.start()
        await late.execute("UPDATE musterd.beat SET seen_at = now() WHERE slot = 2")
        for sequence in (2, 3):
            assert await writer.beat(beat_of(host(0), sequence))
            assert told(await reader.sweep()) == ([0], 4)
        await transaction.commit()
        assert 2 in (await reader.sweep()).beats.slot
        assert await writer.beat(beat_of(host(1), 2))
        assert told(await reader.sweep()) == ([1], 4)
        await late.close()


async def test_who_beats_before_we_know_his_seat_is_heard_once_we_do(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        await reader.sweep()
        await writer.announce(host(9))
        assert await writer.beat(beat_of(host(9), 7))
        for _ in range(2):
            assert told(await reader.sweep()) == ([], 5)
        assert [slot for slot, _ in (await reader.roster()).seated] == [5]
        assert await sequences(reader) == {5: 7}
        assert told(await reader.sweep()) == ([], 6)


async def test_a_spoiled_record_counts_in_every_sweep_until_it_is_mended(
    database: Database,
) -> None:
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        await reader.sweep()
        database.execute(_SPOIL.format(2))
        for _ in range(2):
            sweep = await reader.sweep()
            assert (sum(sweep.rejected), sweep.present) == (1, 4)
        assert await writer.beat(beat_of(host(2), 2))
        assert told(await reader.sweep()) == ([2], 4)
        assert told(await reader.sweep()) == ([], 5)


@pytest.mark.parametrize("lost", ["TRUNCATE musterd.beat", "DELETE FROM musterd.beat"])
async def test_where_the_canary_is_lost_every_row_is_read(database: Database, lost: str) -> None:
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        await reader.sweep()
        database.execute(lost)
        assert not await reader.write_canary(canary(2))
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1), 2))
        assert told(await reader.sweep()) == ([1], 0)


async def test_a_sweep_that_fails_hides_nothing_from_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        await reader.sweep()
        assert await writer.beat(beat_of(host(3), 2))
        with monkeypatch.context() as patch:
            patch.setattr(
                "musterd_coordinator.sweep.postgres.reader.READ_MARKS",
                "SELECT 1 / (($1::int + $2::int) * 0)",
            )
            with pytest.raises(Exception, match="division by zero"):
                await reader.sweep()
        assert told(await reader.sweep()) == ([3], 4)


@pytest.mark.parametrize(
    "other",
    [
        lambda mark: mark._replace(table=mark.table + 1),
        lambda mark: mark._replace(server_start=mark.server_start.replace(year=2000)),
        lambda mark: mark._replace(oldest=mark.oldest - 2**31),
    ],
    ids=["table", "server", "age"],
)
async def test_marks_that_do_not_compare_mean_that_every_row_is_read(
    database: Database, monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    since = SnapshotMark.read_from

    def compared(mark: SnapshotMark, previous: SnapshotMark | None) -> int | None:
        return since(mark, previous and other(previous))  # type: ignore[operator]

    async with both(database.dsn) as (writer, reader):
        await fleet(writer, reader)
        monkeypatch.setattr(SnapshotMark, "read_from", compared)
        for _ in range(2):
            assert told(await reader.sweep()) == ([0, 1, 2, 3, 4], 0)
