"""The PostgreSQL store on real servers: what the contract suite does not ask of every store."""

import random

import anyio
import asyncpg
import pytest

from musterd.model import Member
from musterd.stores.postgres.schema import init_db
from musterd.testing.servers import Database
from tests.service.postgres_fleet import (
    TIMEOUT,
    beat_of,
    both,
    canary,
    host,
    reader_of,
    rows_of,
    sequences,
    writer_of,
)

pytestmark = pytest.mark.usefixtures("tables")


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
    database: Database,
) -> None:
    """Numbers of transactions sort as numbers: 99 before 100."""
    await init_db(database.dsn, TIMEOUT)
    database.execute(rows_of((f"h{n}" for n in range(9)), "(96 + {slot})::text::xid8"))
    reader = reader_of(database.dsn, page=2)
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
