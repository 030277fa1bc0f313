"""The module reads the roster of a MariaDB database in pages, and only those in which something changed.

Each change of a member's row gives it another number that never comes back. On one server they
grow, so that their sum does with each change; and they are xor-ed too, for servers that took over. Both
tell whether anything in a page changed, in whatever order transactions end.
"""

from typing import Any

import anyio
import msgspec
import numpy as np

from musterd.errors import StoreError
from musterd.stores.mysql.session import MySqlSession, Session
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.rows.limits import MOST_SLOTS
from musterd_coordinator.sweep.rows.members import Told
from musterd_coordinator.sweep.rows.seating import SeatedRows
from musterd_coordinator.sweep.rows.slotmap import RowSlots, Seat
from musterd_coordinator.sweep.signed.signing import Signing

PAGE = 512
"""Slots of the roster read at a time: a few milliseconds of the event loop."""

PORTION = 16_000
"""Slots of the roster that one call reads."""

SHARE = 0.25
"""The part of a sweep's timeout that may go by with newcomers, while others are to be judged."""

SPARSE, ROOMY = 32, 1 << 16
"""Slots for each row of the table beyond which a slot is a mistake; and slots below which none is.

Of n nodes of a Galera cluster each gives every n-th number only.
"""

_WHOLE = "SELECT COUNT(*), SUM(version), BIT_XOR(version) FROM musterd_member"
_PAGES = f"""
SELECT slot DIV {PAGE}, COUNT(*), SUM(version), BIT_XOR(version) FROM musterd_member
WHERE slot >= 0 GROUP BY slot DIV {PAGE}
"""
_PAGE = """
SELECT slot, version, namespace = ?, member_id, `group`, name, zone, owner, metadata, mac
FROM musterd_member WHERE slot >= ? AND slot < ? ORDER BY slot
"""
_MOST_VERSION = (1 << 63) - 1
_Digest = tuple[int, int, int]  # rows, and their versions: the sum, and one xor-ed with the other


class RosterReader:
    """A `RosterReader` reads by ``link`` which member has which seat, and tells ``seats``.

    With ``signing``, only who was announced with its key is a member.
    """

    def __init__(
        self, link: MySqlSession, namespace: str, seats: RowSlots, signing: Signing | None
    ) -> None:
        self._link = link
        self._namespace = namespace
        self._seats = seats
        self._rows = SeatedRows(link.name, namespace, signing, _told)
        self._whole: _Digest | None = None
        self._pages: dict[int, _Digest] = {}  # as they were read
        self._complete = False  # all was read once
        self.top = 0

    @property
    def refused(self) -> int:
        """Return how many rows are left alone."""
        return len(self._rows.refused)

    def doubt(self) -> None:
        """Read everything once more, beside what goes on: something of it may be wrong."""
        self._whole = None
        self._pages = dict.fromkeys(self._pages, (-1, -1, -1))

    async def read(self) -> Roster:
        """Return what changed since the last call. Raises StoreError.

        There is more to be read before anything means something only at the beginning. Members that
        come later are read some pages at each call, while those that are known are judged.
        """
        async with self._link.session() as session:
            [whole] = (await session.execute(_WHOLE)).rows
            if whole == self._whole:
                return Roster()
            rows = (await session.execute(_PAGES)).rows
        found = {page: (count, int(total), xor) for page, count, total, xor in rows}
        bound = min(MOST_SLOTS, max(ROOMY, SPARSE * whole[0]))
        self.top = min(bound, PAGE * (1 + max(found, default=-1)))
        others = (
            page
            for page in found.keys() | self._pages.keys()
            if self._pages.get(page) != found.get(page)
        )
        seats, left = await self._read_pages(self._below(bound, sorted(others)))
        self._rows.refused.log()
        roster = self._seats.update(seats)
        if not left:
            self._whole, self._complete = whole, True
        return Roster(roster.seated, roster.vacated, more=not self._complete)

    def _below(self, bound: int, pages: list[int]) -> list[int]:
        """Return those of ``pages`` whose slots are below ``bound``; others are left alone."""
        for page in pages:
            if page * PAGE >= bound:
                why = f"slots are below {bound}, for as many rows as there are"
                self._rows.refused.add(page * PAGE, why)
        return [page for page in pages if page * PAGE < bound]

    async def _read_pages(self, due: list[int]) -> tuple[list[Seat], int]:
        """Read some of these pages; return what they say, and how many are left."""
        began, seats = anyio.current_time(), dict[int, Seat]()
        for done, page in enumerate(due):
            late = anyio.current_time() - began > SHARE * self._link.timeout
            if done * PAGE >= PORTION or (late and self._complete):
                return list(seats.values()), len(due) - done
            try:
                async with self._link.session() as session:
                    read = await self._read_page(session, page)
            except StoreError:
                if not seats:
                    raise
                return list(seats.values()), len(due) - done
            seats |= read
        return list(seats.values()), 0

    async def _read_page(self, session: Session, page: int) -> dict[int, Seat]:
        first = page * PAGE
        values = self._namespace.encode(), first, first + PAGE
        rows = (await session.execute(_PAGE, values)).rows
        slots = np.arange(first, first + PAGE)
        taken = slots[self._seats.are_taken(slots)].tolist()
        seats = {slot: Seat(slot, 0) for slot in taken}  # and may have no row any more
        total = digest = 0
        for slot, version, *told in rows:
            total, digest = total + version, digest ^ version
            ours = bool(told[0]) and told[1] is not None
            seats[slot] = self._rows.seat(slot, version & _MOST_VERSION, told, ours=ours)
        old = (slot for slot, seat in seats.items() if not self._is_news(seat))
        for slot in list(old):
            del seats[slot]
        self._pages[page] = len(rows), total, digest
        if not rows:
            del self._pages[page]
        return seats

    def _is_news(self, seat: Seat) -> bool:
        return self._seats.is_news(seat.slot, seat.changed)


def _told(row: list[Any]) -> Told:
    _, its_id, *texts, metadata, mac = row
    group, name, zone, owner = (bytes(text).decode() for text in texts)
    facts = msgspec.json.decode(bytes(metadata), type=dict[str, str])
    return Told(its_id % (1 << 64), group, name, zone, owner, facts, bytes(mac or b""))
