"""The module seats members in the slots of shards that their beats stand in; newcomers join."""

from collections.abc import Iterator, Sequence
from itertools import repeat

import numpy as np

from musterd.model import Member
from musterd.stores.slots.protocol import SLOT_LIMIT
from musterd_coordinator.judge.members import Code, Rows
from musterd_coordinator.roll.absent import Absentee
from musterd_coordinator.roll.batch import MemberBatch, alike, in_portions
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.rows import RowKeeper
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import Slots

_ANNOUNCED = "announced; no beat seen yet"
_SEATED = (
    250  # members that take their seats in one step: three or four milliseconds on a slow core
)
_KINDS = 50  # of members in one step: as long, if each announces something else


class Seating:
    """A `Seating` gives members their seats, and newcomers their rows, by what sweeps bring."""

    def __init__(self, parts: RollParts, rows: RowKeeper) -> None:
        self._parts = parts
        self._rows = rows
        self._shards, self._directory = parts.shards, parts.directory
        self._placement, self._absent, self._unsaved = parts.placement, parts.absent, parts.unsaved

    def apply(self, index: int, roster: Roster, begin: float) -> Iterator[None]:
        """Take in a ``roster`` of shard ``index``, read from ``begin`` on, in steps."""
        seats = self._shards[index].seats
        for slot in roster.vacated:
            if (row := seats.vacate(slot)) is not None:
                self._placement.unseat(row, index)
            self._parts.admission.discard(index, slot)
            self._absent.vacate(index, slot, begin)
        for portion in in_portions(roster.seated, _SEATED, _KINDS):
            yield from self._rows.make_room(len(portion))
            self._take_seats(index, portion, begin)
            yield
        self._take_seats(index, self._parts.admission.pop(index, _KINDS), begin)
        for slot, orders in roster.ordered:
            if (row := seats.row_in(slot)) is not None:
                self._rows.set_ordered(row, orders)
        self._placement.log_strays(index)

    def welcome_back(self, absentee: Absentee) -> None:
        """Add a forgotten member that beats again: it is a new one."""
        member = absentee.member
        if self._absent.pop(member.group, member.name) is not None:
            rows = self._rows.add(
                *(alike([member]), np.full(1, Code.UNKNOWN, np.uint8)),
                *(repeat(_ANNOUNCED), np.zeros(1)),
            )
            self._unsaved.rows.add(rows)
            self.seat_again(absentee)

    def seat_again(self, absentee: Absentee) -> None:
        """Seat a forgotten member, which has a row again, where it sat."""
        row = self._directory.row(absentee.member.group, absentee.member.name)
        assert row is not None, "it was added just now"
        for index, slot in absentee.seats:
            self._shards[index].seats.seat(slot, row)
            self._placement.reconcile(index, np.array([row]))

    def _take_seats(self, index: int, seated: Sequence[tuple[int, Member]], begin: float) -> None:
        seated = [each for each in seated if each[0] < SLOT_LIMIT]
        if not seated:
            return
        members = alike([member for _, member in seated])
        rows = self._directory.rows_of(members)
        slots = np.array([slot for slot, _ in seated], np.int64)
        known, new = np.flatnonzero(rows != NOBODY), np.flatnonzero(rows == NOBODY)
        self._meet(members.where(known), rows[known])
        self._seat_known(index, slots[known], rows[known])
        # One that sits in two slots is met in the last of them.
        newcomers = {(seated[at][1].group, seated[at][1].name): seated[at] for at in new.tolist()}
        for slot, _ in seated:
            self._parts.admission.discard(index, slot)
        if self._absent:
            for at in known.tolist():
                self._absent.vacate(index, seated[at][0], begin)
            newcomers = {
                name: seat
                for name, seat in newcomers.items()
                if not self._absent.stays_absent(index, *seat, begin)
            }
        self._welcome(index, self._parts.admission.admit(index, list(newcomers.values())))

    def _seat_known(self, index: int, slots: Slots, rows: Rows) -> None:
        """Seat known members, which took these slots (n): after a restart, a whole fleet."""
        if not len(rows):
            return
        seats = self._shards[index].seats
        fresh = seats.are_free(slots, rows)
        if fresh.any():
            seats.seat_newcomers(slots[fresh], rows[fresh])
        for slot, row in zip(slots[~fresh].tolist(), rows[~fresh].tolist(), strict=True):
            seats.seat(slot, row)
        self._placement.reconcile(index, rows)

    def _welcome(self, index: int, newcomers: Sequence[tuple[int, Member]]) -> None:
        """Add members that were never heard of, which took these slots."""
        if not newcomers:
            return
        slots, members = zip(*newcomers, strict=True)
        states, quiet = np.full(len(members), Code.UNKNOWN, np.uint8), np.zeros(len(members))
        rows = self._rows.add(alike(members), states, repeat(_ANNOUNCED), quiet)
        self._unsaved.rows.add(rows)
        self._shards[index].seats.seat_newcomers(np.array(slots, np.int64), rows)
        self._placement.reconcile(index, rows)
        if self._absent:
            back = [self._absent.pop(member.group, member.name) for member in members]
            for absentee in filter(None, back):
                self.seat_again(absentee)

    def _meet(self, members: MemberBatch, rows: Rows) -> None:
        """Note other facts that known members may have announced."""
        for at in self._directory.with_other_facts(members, rows):
            row = rows.item(at)
            self._directory.announce(row, members.member(at))
            self._rows.set_zone(row)
            self._unsaved.rows.add(rows[at : at + 1])
            self._parts.changes.touch(row)
