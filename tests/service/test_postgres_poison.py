"""Rows of PostgreSQL that nobody should have written cost nobody else anything."""

from collections.abc import Iterator
from typing import NamedTuple

import asyncpg
import msgspec
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from musterd.beat import Beat, Status, member_id, pack
from musterd.model import Member
from musterd.stores import ShardWriter
from musterd.stores.postgres.schema import init_db
from musterd.stores.rowwriter import namespace_key, signed
from musterd.testing.servers import Database, Postgres
from musterd_coordinator.sweep.base import ShardReader
from musterd_coordinator.sweep.rows.doubts import Doubts
from musterd_coordinator.sweep.rows.limits import MOST_SLOTS
from musterd_coordinator.sweep.rows.relays import marks_key
from tests.conftest import StartPostgres
from tests.examples import examples
from tests.service.postgres_fleet import (
    NAMESPACE,
    TIMEOUT,
    beat_of,
    both,
    canary,
    host,
    reader_of,
    rows_of,
    writer_of,
)

GOOD = 5
UNCHECKED = """
ALTER TABLE musterd.member DROP CONSTRAINT member_slot_check,
    DROP CONSTRAINT member_slot_in_bounds, DROP CONSTRAINT member_names_at_most_255_characters,
    DROP CONSTRAINT member_metadata_at_most_32_kb
"""


class Row(NamedTuple):
    """A row of members, and what it says in the table of beats, if anything."""

    slot: int
    identity: int | None
    namespace: str
    name: str
    zone: str
    metadata: str
    changed: int
    record: bytes | None
    key: int


CANARY = signed(canary(0).member_id)


class Yard:
    """A database with some good members, whom one coordinator has heard, and no checks."""

    def __init__(self, portal: BlockingPortal, dsn: str) -> None:
        self._portal = portal
        self._writer: ShardWriter = writer_of(dsn)
        self._reader: ShardReader = reader_of(dsn)
        self.sequence = 0
        self._dsn = dsn
        portal.call(self._begin)

    async def _begin(self) -> None:
        await self._reader.roster()
        self._owner = await asyncpg.connect(self._dsn)
        await self._owner.execute(UNCHECKED)
        for number in range(GOOD):
            await self._writer.announce(host(number))

    def close(self) -> None:
        for end in (self._writer.aclose, self._reader.aclose, self._owner.close):
            self._portal.call(end)

    def heard_beside(self, rows: list[Row]) -> dict[int, int]:
        """Sequences by slot, of whoever is good, in a sweep that finds these rows too."""
        try:
            return self._portal.call(self._sweep, rows)
        finally:
            self._portal.call(self._clear)

    async def _sweep(self, rows: list[Row]) -> dict[int, int]:
        self.sequence += 1
        for row in rows:
            await self._put(row)
        for number in range(GOOD):
            assert await self._writer.beat(beat_of(host(number), self.sequence))
        await self._reader.write_canary(canary(self.sequence))
        while (await self._reader.roster()).more:
            pass
        sweep = await self._reader.sweep()
        assert sweep.canary == canary(self.sequence)
        # What says that it is a relay's may say that it lags: then nobody's silence counts.
        assert sweep.complete or sweep.reason.startswith("a relay lags")
        return dict(zip(sweep.beats.slot.tolist(), sweep.beats.sequence.tolist(), strict=True))

    async def _clear(self) -> None:
        await self._owner.execute(
            "DELETE FROM musterd.member WHERE slot NOT BETWEEN 0 AND 4;"
            f"DELETE FROM musterd.beat WHERE slot NOT BETWEEN 0 AND 4 AND member_id <> {CANARY}"
        )

    async def _put(self, row: Row) -> None:
        await self._owner.execute(
            "INSERT INTO musterd.member VALUES"
            " ($1, $2, $3, 'compute', $4, $5, '', $6::text::jsonb, $7::text::xid8)"
            " ON CONFLICT DO NOTHING",
            *(row.slot, row.identity, row.namespace, row.name, row.zone, row.metadata),
            str(row.changed),
        )
        if row.record is not None:
            await self._owner.execute(
                "INSERT INTO musterd.beat VALUES ($1, now(), $2, $3, $4) ON CONFLICT DO NOTHING",
                *(row.identity or 0, row.slot, row.key, row.record),
            )


@pytest.fixture(scope="module")
def yard(postgres: Postgres) -> Iterator[Yard]:
    """Give a database that all examples share."""
    with postgres.database() as database, start_blocking_portal() as portal:
        made = Yard(portal, database.dsn)
        yield made
        made.close()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)
NAME = st.sampled_from(["odd", "host-0001", "a/b", "", "x" * 3000]) | TEXT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SLOT = st.sampled_from([GOOD, MOST_SLOTS - 1, MOST_SLOTS, 2**31 - 1, -5, -(2**31)]) | st.integers(
    GOOD, 80_000
)
RECORD = st.binary(max_size=100) | st.builds(
    lambda identity, interval, status: pack(Beat(identity, 1, 1, interval, status)),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from(Status),
)
ROW = st.builds(
    Row,
    slot=SLOT,
    identity=st.none() | st.integers(-(2**63), 2**63 - 1),
    namespace=st.sampled_from([NAMESPACE, "other", ""]),
    name=NAME,
    zone=NAME,
    metadata=(JSON | st.dictionaries(NAME, TEXT, max_size=3)).map(
        lambda value: msgspec.json.encode(value).decode().replace("\\u0000", "")
    ),
    changed=st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2000),
    record=st.none() | RECORD,
    key=st.sampled_from([namespace_key(NAMESPACE), marks_key(NAMESPACE), 0]),
)
_DEEP = Row(5, 5, NAMESPACE, "deep", "", "[" * 2000 + "]" * 2000, 1, None, 0)
_LONG = Row(6, 6, NAMESPACE, "long", "", '{"k": "%s"}' % ("x" * 3_000_000), 1, None, 0)
_FAR = Row(2**31 - 1, 7, NAMESPACE, "far", "", "{}", 1, b"", 0)


@given(rows=st.lists(ROW, max_size=6))
@example([_DEEP])
@example([_LONG])
@example([_FAR])
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_rows_there_are_good_members_are_heard(yard: Yard, rows: list[Row]) -> None:
    heard = yard.heard_beside(rows)
    sequence = yard.sequence
    assert {slot: heard[slot] for slot in range(GOOD)} == dict.fromkeys(range(GOOD), sequence)


async def test_a_row_far_beyond_the_members_takes_no_memory(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        database.execute(rows_of(["far"], first=MOST_SLOTS - 1))
        assert [member for _, member in (await reader.roster()).seated] == [host(1)]
        assert len(reader._seats._taken) < 100_000  # type: ignore[attr-defined]
        sweep = await reader.sweep()
        assert sweep.rejected.holder == 1
        database.execute(f"DELETE FROM musterd.member WHERE slot = {MOST_SLOTS - 1}")
        assert await reader.write_canary(canary(1)) is True


async def test_metadata_of_100_megabytes_is_not_even_fetched(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        database.execute(UNCHECKED)
        await writer.announce(host(1))
        database.execute(
            "INSERT INTO musterd.member SELECT 1, 1, 'fleet', 'compute', 'fat', '', '',"
            " jsonb_build_object('k', repeat(md5('x'), 1000000)), pg_current_xact_id()"
        )
        assert (await reader.roster()).seated == [(0, host(1))]


async def test_a_text_that_cannot_be_read_is_passed_over_alone(
    start_postgres: StartPostgres,
) -> None:
    """As in a database that takes any bytes for text."""
    server = start_postgres(**Postgres.cheap)
    server.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
    await init_db(server.dsn_of("bytes"), TIMEOUT)
    for first in (0, 600):
        server.execute(rows_of((f"h{first + n}" for n in range(600)), first=first), "bytes")
    server.execute("UPDATE musterd.member SET zone = E'\\xff\\xfe' WHERE slot = 700", "bytes")
    reader = reader_of(server.dsn_of("bytes"))
    seated = (await reader.roster()).seated
    assert sorted(slot for slot, _ in seated) == [n for n in range(1200) if n != 700]
    server.execute(
        "UPDATE musterd.member SET zone = 'z', changed = pg_current_xact_id() WHERE slot = 700",
        "bytes",
    )
    assert (await reader.roster()).seated == [(700, Member("compute", "h700", "z"))]
    await reader.aclose()


async def test_records_that_stay_wrong_have_the_roster_read_in_full(database: Database) -> None:
    """Whatever the reason: here a member that this coordinator never heard of the seat of."""
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        assert (await reader.roster()).seated == [(0, host(1))]
        mine, other = (signed(member_id(NAMESPACE, "compute", host(n).name)) for n in (1, 2))
        row = f"namespace = 'fleet', member_id = {other}, name = '{host(2).name}'"
        database.execute(
            f"UPDATE musterd.member SET {row};"  # `changed` says nothing of it
            f"UPDATE musterd.beat SET member_id = {other} WHERE member_id = {mine}"
        )
        other_writer = writer_of(database.dsn)
        await other_writer.announce(host(2))
        assert await other_writer.beat(beat_of(host(2), 3))
        for _ in range(Doubts.FIRST):
            assert (await reader.roster()).seated == []
            assert (await reader.sweep()).rejected.member_id == 1
        assert (await reader.roster()).seated == [(0, host(2))]
        assert (await reader.sweep()).rejected.member_id == 0
        await other_writer.aclose()


@given(st.lists(st.integers(0, 3), max_size=300))
def test_doubts_are_raised_ever_more_seldom_and_anew_after_a_good_sweep(counts: list[int]) -> None:
    doubts = Doubts()
    bad, raised = 0, 0
    for count in counts:
        said = doubts.are_raised(count)
        bad = bad + 1 if count else 0
        raised = 0 if not count else raised + said
        assert not (said and not count)
        assert raised <= (bad // Doubts.FIRST + 1).bit_length()
        assert bad < Doubts.FIRST or raised
