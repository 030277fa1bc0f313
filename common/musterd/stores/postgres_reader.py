"""PostgreSQL as a store, the coordinator's side: who has which seat, all beats, and a canary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b

import anyio
import asyncpg
import msgspec
import structlog

from musterd.beat import Beat, member_id, pack
from musterd.errors import ConfigError, ShardRefused
from musterd.model import Member, check_member
from musterd.stores.base import Roster, Sweep
from musterd.stores.postgres_changes import Mark, mark
from musterd.stores.postgres_harvest import Harvest
from musterd.stores.postgres_link import Connection, Link, Target
from musterd.stores.postgres_relays import READ_MARKS, RelayWatch, marks_key
from musterd.stores.postgres_scan import SNAPSHOT, Scan
from musterd.stores.postgres_schema import ensure_schema
from musterd.stores.postgres_seats import Seat, Seats
from musterd.stores.postgres_writer import PostgresWriter, namespace_key, retire, signed

log = structlog.get_logger(__name__)

PAGE = 500
"""Rows of the roster read at a time: a few milliseconds of the event loop."""

PORTION = 16_000
"""Rows of the roster that one call brings, and a page more."""

_PAGE = """
SELECT slot, changed::text AS version, member_id IS NOT NULL AND namespace = $1 AS ours,
    "group", name, zone, owner, metadata::text
FROM musterd.member WHERE (changed, slot) > ($2::text::xid8, $3)
ORDER BY member.changed, slot LIMIT $4
"""
_NEW_CANARY = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record)
VALUES ($1, now(), $2, $3, $4)
ON CONFLICT (slot) DO UPDATE SET
    member_id = excluded.member_id, seen_at = excluded.seen_at, record = excluded.record
"""
# An update finds room beside the row, where others may have none: think of a disk that is full of
# the versions that a forgotten transaction keeps. An insert needs room that anybody could use.
_MOVED_CANARY = """
WITH moved AS (DELETE FROM musterd.beat WHERE slot = $1 RETURNING *)
INSERT INTO musterd.beat SELECT * FROM moved
"""
_OLD_CANARIES = "DELETE FROM musterd.beat WHERE slot < 0 AND seen_at < now() - interval '1 day'"


@dataclass(slots=True)
class _Reading:
    """A reading of the roster, in pages. It goes on where a call that was cut off left it.

    Pages are in the order in which rows changed, so what changes meanwhile comes again later.
    """

    mark: Mark
    since: int | None
    seats: dict[int, Seat] = field(default_factory=dict)
    position: tuple[int, int] = (0, -1)  # transaction and slot read last
    finished: bool = False

    def __post_init__(self) -> None:
        self.position = (self.since or 0, -1)


class PostgresReader:
    """One coordinator's way to the database: see :class:`musterd.stores.base.ShardReader`.

    The canary has a connection of its own and takes an agent's way: the same writer, the same
    UPDATE, the same table. Its row has a negative slot made from the coordinator's name. While all
    beats are read nobody writes it, and its connection reads half of a large table.

    A sweep brings the beats that are new since the one before; a lost canary makes the next a full one.
    """

    def __init__(self, target: Target, namespace: str, coordinator: str, timeout: float) -> None:
        self.name = target.name
        self._namespace = namespace
        self._key = namespace_key(namespace)
        self._canary_slot = canary_slot(namespace, coordinator)
        self._link = Link(target, timeout)
        self._canary_link = Link(target, timeout)
        self._canary = PostgresWriter(self._canary_link, namespace)
        self._scan = Scan(self._link, self._canary_link, self._key)
        self._has_tables = self._has_canary = False
        self._seats = Seats()
        self._harvest = Harvest(self.name, self._seats, self._canary_slot)
        self._relays = RelayWatch()
        self._mark: Mark | None = None
        self._reading: _Reading | None = None

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; False when it was gone and had to be written anew."""
        async with self._tables():
            if await self._canary.write(self._canary_slot, beat):
                self._has_canary = True
                return True
            row = signed(beat.member_id), self._canary_slot, self._key, pack(beat)
            async with self._canary_link.transaction() as connection:
                await connection.execute(_NEW_CANARY, *row)
                await connection.execute(_OLD_CANARIES)
        self._scan.forget()  # where the canary is gone, others may be
        lost, self._has_canary = self._has_canary, True
        return not lost

    async def renew(self) -> None:
        """Have the canary connect and take its place in the table as a newcomer would."""
        async with self._tables():
            await self._canary_link.renew()
            async with self._canary_link.transaction() as connection:
                await connection.execute(_MOVED_CANARY, self._canary_slot)

    async def roster(self) -> Roster:
        """What changed among the seats since the last call."""
        async with self._tables():
            reading = await self._begin()
            while not reading.finished and len(reading.seats) < PORTION:
                async with self._link.transaction() as connection:
                    await self._read_page(connection, reading)
        seats, reading.seats = reading.seats, {}
        roster = self._seats.update(seats.values())
        if not reading.finished:
            return Roster(roster.seated, roster.vacated, more=True)
        self._mark, self._reading = reading.mark, None
        if reading.since is None:
            roster = Roster(roster.seated, [*roster.vacated, *self._seats.vacate_unread()])
        return roster

    async def sweep(self) -> Sweep:
        """The namespace's beats that are new since the last call, and the canary."""
        harvest, scan = self._harvest, self._scan
        async with self._tables(), self._link.transaction(begin=SNAPSHOT) as connection:
            harvest.begin(everything=await scan.begin(connection))
            await scan.read(connection, self._seats.count(), harvest.take)
            marks = await connection.fetch(READ_MARKS, marks_key(self._namespace))
        if harvest.settled:
            scan.settle()
        reason = self._relays.judge(
            {slot: record for slot, record in marks},  # noqa: C416 (a Record is no tuple to mypy)
            self._seats.fingerprint(),
            anyio.current_time(),
        )
        return Sweep(
            *(harvest.beats(), harvest.rejected, harvest.canary, not reason, reason),
            unchanged=harvest.unchanged(),
        )

    async def retire(self, member: Member) -> None:
        """Remove a forgotten member's beat and vacate its slot."""
        async with self._tables():
            await retire(self._link, self._namespace, member)

    async def aclose(self) -> None:
        """Close both connections without waiting for the network."""
        self._link.close()
        self._canary_link.close()

    @asynccontextmanager
    async def _tables(self) -> AsyncIterator[None]:
        """Make the tables where they are missing: at first, and when a call says so."""
        if not self._has_tables:
            await ensure_schema(self._link)
            self._has_tables = True
        try:
            yield
        except ShardRefused:
            self._has_tables = False
            raise

    async def _begin(self) -> _Reading:
        """The reading to go on with, one page further."""
        async with self._link.transaction() as connection:
            now = await mark(connection, "musterd.member")
            if self._reading is None or now.since(self._reading.mark) is None:
                self._reading = _Reading(now, now.since(self._mark))
                self._seats.begin()
            await self._read_page(connection, self._reading)
            return self._reading

    async def _read_page(self, connection: Connection, reading: _Reading) -> None:
        changed, slot = reading.position
        rows = await connection.fetch(_PAGE, self._namespace, str(changed), slot, PAGE)
        for row in rows:
            slot, changed = row["slot"], int(row["version"])
            reading.position = changed, slot
            if reading.since is None or self._seats.is_news(slot, changed):
                reading.seats[slot] = self._seat(slot, changed, row)
        reading.finished = len(rows) < PAGE

    def _seat(self, slot: int, changed: int, row: asyncpg.Record) -> Seat:
        member = self._member(row) if row["ours"] else None
        if member is None:
            return Seat(slot, changed)
        return Seat(slot, changed, member_id(self._namespace, member.group, member.name), member)

    def _member(self, row: asyncpg.Record) -> Member | None:
        try:
            metadata = msgspec.json.decode(row["metadata"], type=dict[str, str])
            return check_member(
                Member(row["group"], row["name"], row["zone"], row["owner"], metadata)
            )
        except (ConfigError, msgspec.MsgspecError) as error:
            log.warning("member refused", shard=self.name, slot=row["slot"], reason=str(error))
            return None


def canary_slot(namespace: str, coordinator: str) -> int:
    """The slot, below zero, of a coordinator's canary.

    Two coordinators with one name share it, as do two in 2**31 with different names; neither can
    prove a sweep then.
    """
    digest = blake2b(f"{namespace}/{coordinator}".encode(), digest_size=4).digest()
    return -1 - (int.from_bytes(digest) >> 1)
