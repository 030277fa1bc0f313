"""The module reads the roster of a PostgreSQL database in pages, and only what changed of it."""

from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import asyncpg
import msgspec

from musterd.errors import ShardCorrupt, ShardRefused
from musterd.sqlfiles import folder, statement
from musterd.stores.postgres.session import Connection, PgSession
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.postgres.mark import SnapshotMark, catch_up, living_mark
from musterd_coordinator.sweep.rows.limits import MOST_SLOTS
from musterd_coordinator.sweep.rows.members import Told
from musterd_coordinator.sweep.rows.seating import SeatedRows
from musterd_coordinator.sweep.rows.slotmap import RowSlots, Seat
from musterd_coordinator.sweep.signed.signing import Signing

PAGE = 500
"""Rows of the roster read at a time: a few milliseconds of the event loop."""

PORTION = 16_000
"""Rows of the roster that one call reads, and a page more."""

SHARE = 0.25
"""The part of a sweep's timeout that may go by with newcomers, while others are to be judged."""

SPARSE = 4
"""Slots for each row of the table beyond which a slot is believed to be somebody's mistake."""

ROOMY = 1 << 16
"""Slots below this are believed in any case."""

_TABLE = "musterd.member"
_PAGE = statement(folder(__package__, "sql"), "roster_page")
_KEY = """
SELECT slot, changed::text AS version FROM musterd.member
WHERE (changed, slot) > ($1::text::xid8, $2) ORDER BY member.changed, slot LIMIT 1
"""
_COUNT = "SELECT count(*) FROM musterd.member"
_MOST_CHANGED = (1 << 63) - 1


@dataclass(slots=True)
class _Reading:
    """A `_Reading` reads the roster in pages. It goes on where a call that was cut off left it.

    Pages are in the order in which rows changed, so what changes meanwhile comes again later.
    """

    mark: SnapshotMark
    since: int | None  # the transaction to read from; None: everything
    anew: bool  # whatever was known before may be of another life
    seats: dict[int, Seat] = field(default_factory=dict)
    position: tuple[int, int] = (0, -1)  # transaction and slot read last
    finished: bool = False
    page: int = 0  # rows; 0: as many as one page has

    def __post_init__(self) -> None:
        self.position = (self.since or 0, -1)


class RosterReader:
    """A `RosterReader` reads by ``link`` which member has which seat, and tells ``seats``.

    It reads ``page`` rows at a time, and ``portion`` and a page more in one call. With ``signing``,
    only who was announced with its key is a member.
    """

    def __init__(
        self,
        link: PgSession,
        namespace: str,
        seats: RowSlots,
        *,
        page: int = PAGE,
        portion: int = PORTION,
        signing: Signing | None = None,
    ) -> None:
        self._page, self._portion = page, portion
        self._link = link
        self._namespace = namespace
        self._seats = seats
        self._mark: SnapshotMark | None = None
        self._reading: _Reading | None = None
        self._doubtful = False
        self._bound = ROOMY  # slots are below this
        self._rows = SeatedRows(link.name, namespace, signing, _told)

    @property
    def refused(self) -> int:
        """Return how many rows are left alone."""
        return len(self._rows.refused)

    def doubt(self) -> None:
        """Read everything once more, beside what goes on: something of it may be wrong."""
        self._doubtful = True

    async def read(self) -> Roster:
        """Return what changed since the last call. Raises StoreError.

        There is more to be read before anything means something only at the beginning, and in
        another life of the database. Members that come later are read a step at each call, however
        many come, while those that are known are judged.
        """
        reading = await self._current_reading()
        await self._step(reading)
        self._rows.refused.log()
        seats, reading.seats = reading.seats, {}
        roster = self._seats.update(seats.values())
        if not reading.finished:
            return Roster(roster.seated, roster.vacated, more=reading.anew)
        self._mark, self._reading = reading.mark, None
        if reading.since is None:
            roster = Roster(roster.seated, [*roster.vacated, *self._seats.vacate_unread()])
        return roster

    async def _current_reading(self) -> _Reading:
        """Return the reading to go on with."""
        now = await self._now()
        if self._reading is None or now.read_from(self._reading.mark) is None:
            anew = now.read_from(self._mark) is None
            if (anew or self._doubtful) and await self._catch_up():
                now = await self._now()
            since = None if self._doubtful else now.read_from(self._mark)
            self._reading = _Reading(now, since, anew)
            self._doubtful = False
            if since is None:
                self._rows.refused.clear()
            self._seats.start_reading()
        return self._reading

    async def _step(self, reading: _Reading) -> None:
        """Read some pages further. A page that failed is none, and time that went by is gone."""
        began, read = anyio.current_time(), 0
        while not reading.finished and read < self._portion:
            read += await self._read_page(reading)
            late = anyio.current_time() - began > SHARE * self._link.timeout
            if late and not reading.anew:
                return

    async def _now(self) -> SnapshotMark:
        async with self._link.transaction() as connection:
            return await living_mark(connection, _TABLE)

    async def _catch_up(self) -> int:
        with suppress(ShardRefused):  # a damaged row may not be written; they are read nonetheless
            return await catch_up(self._link, _TABLE)
        return 0

    async def _read_page(self, reading: _Reading) -> int:
        """Read a page further; return how many rows it had.

        One that cannot be read shrinks until the row to blame is alone.
        """
        most = reading.page or self._page
        try:
            async with self._link.transaction() as connection:
                rows = await connection.fetch(_PAGE, self._namespace, *_at(reading), most)
                await self._make_room(connection, rows)
        except (ShardCorrupt, ShardRefused) as error:
            if most > 1:
                reading.page = max(1, most // 8)
            else:
                await self._pass_over(reading, error.reason)
            return 0
        self._collect(reading, rows)
        reading.finished = len(rows) < most
        reading.page = min(2 * most, self._page)
        return len(rows)

    async def _pass_over(self, reading: _Reading, reason: str) -> None:
        async with self._link.transaction() as connection:
            rows = await connection.fetch(_KEY, *_at(reading))
        reading.finished = not rows
        for slot, version in rows:
            reading.position = int(version), slot
            self._rows.refused.add(slot, reason)
            if 0 <= slot < self._bound:
                reading.seats[slot] = Seat(slot, _changed(version))

    async def _make_room(self, connection: Connection, rows: list[asyncpg.Record]) -> None:
        """Believe in more slots, where the table has that many rows."""
        if any(row["slot"] >= self._bound for row in rows):
            count = await connection.fetchval(_COUNT)
            self._bound = min(MOST_SLOTS, max(ROOMY, SPARSE * count))

    def _collect(self, reading: _Reading, rows: list[asyncpg.Record]) -> None:
        for row in rows:
            slot, changed = row["slot"], _changed(row["version"])
            reading.position = int(row["version"]), slot
            if not 0 <= slot < self._bound:
                self._rows.refused.add(
                    slot, f"slots are below {self._bound}, for as many rows as there are"
                )
            elif reading.since is None or self._seats.is_news(slot, changed):
                reading.seats[slot] = self._rows.seat(slot, changed, row, ours=row["ours"])


def _told(row: asyncpg.Record) -> Told:
    if not row["fits"]:
        raise ValueError("a name is longer than 255 characters, or metadata than 32 kB")
    metadata = msgspec.json.decode(row["metadata"], type=dict[str, str])
    its_id = row["member_id"] % (1 << 64)
    group, name, zone, owner = (row[column] for column in ("group", "name", "zone", "owner"))
    return Told(its_id, group, name, zone, owner, metadata, row["mac"] or b"")


def _at(reading: _Reading) -> tuple[str, int]:
    changed, slot = reading.position
    return str(changed), slot


def _changed(version: str) -> int:
    """Return as much of a transaction's number as there is room for."""
    return min(int(version), _MOST_CHANGED)
