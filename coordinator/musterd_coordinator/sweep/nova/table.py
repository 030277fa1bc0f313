"""The module knows the rows of Nova's ``services`` by slot: who is there, and who reported. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.model import Facts
from musterd_coordinator.process import pages
from musterd_coordinator.sweep.base import LastSeen, Roster
from musterd_coordinator.sweep.columns import Beats, Seconds, Slots
from musterd_coordinator.sweep.nova.service import ServiceSeat

Numbers = NDArray[np.int64]

_NONE = np.empty(0, np.int64)
_NOTHING = Facts()
_COLUMNS = ("_id", "_count", "_reports", "_state", "_told", "_news", "_seated", "_member_id")


class ServiceRows(NamedTuple):
    """These are columns of n rows, by their ids in ascending order.

    ``report_count`` is how often a service says that it reported, ``digest`` another number after nearly
    every change of its other columns, and ``orders`` the sum of 2 if it is disabled and 1 if it is
    forced down. ``seen`` is when it was last seen up, as its row says, in Unix seconds (NaN: never), where
    that was asked for.
    """

    id: Numbers
    report_count: Numbers
    digest: Numbers
    orders: Numbers
    seen: Seconds | None = None


class Look(NamedTuple):
    """A `Look` says what rows told: slots of members that ``reported``, ``vacated`` and ``spoiled`` ones.

    In spoiled ones the count is none.
    """

    reported: Slots
    vacated: Slots
    spoiled: Slots


class ServiceTable:
    """A `ServiceTable` keeps what was read of each row, in a slot that the row has as long as it is there.

    What a row says of its service is read apart, where it is :meth:`due`. Where rows are ``shared``,
    several processes of one service count in the same row, each for itself: then a count that grew
    since the last look is a report, whatever it grew from.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._ids: Numbers = _NONE  # ascending
        self._slots: Slots = _NONE  # of those
        self._end = 0  # the slot from which on none was ever taken
        self._free: list[int] = []
        self._gone: list[int] = []  # vacated, and not told yet
        self._id: Numbers = np.zeros(0, np.int64)  # from here on by slot
        self._count: Numbers = np.zeros(0, np.int64)
        self._reports: Numbers = np.zeros(0, np.int64)  # the sequence that is told
        self._state: Numbers = np.zeros(0, np.int64)  # digest and orders
        self._told: Numbers = np.zeros(0, np.int64)  # the same, as of when its service was told
        self._news: NDArray[np.bool_] = np.zeros(
            0, np.bool_
        )  # did it report, or was it there at first?
        self._seated: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._member_id: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._ordered: set[int] = set()  # slots of services of which something is ordered
        self._seen: Seconds | None = None  # of the rows of the newest look, in their order
        self._swept = False
        self.looked = False

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def seated(self) -> int:
        """Return how many of the rows are members."""
        return int(np.count_nonzero(self._seated))

    def look(self, rows: ServiceRows) -> Look:
        """Take in all rows that there are now."""
        rows = _in_order(rows)
        vacated = self._follow(rows.id)
        slots, self._seen = self._slots, rows.seen
        new = self._id[slots] != rows.id
        good = rows.report_count >= 0
        grew = good & ~new & (rows.report_count > self._count[slots])
        self._begin(slots[new], rows.id[new])
        grown = slots[grew]
        if self._shared:
            self._reports[grown] += rows.report_count[grew] - self._count[grown]
        self._count[slots] = np.where(good, rows.report_count, self._count[slots])
        if self._shared:
            self._reports[slots[new]] = np.maximum(rows.report_count[new], 0)
        else:
            self._reports[slots] = self._count[slots]
        self._state[slots] = rows.digest * 4 + rows.orders + 1  # never 0
        self._news[grown] = True
        if not self.looked:
            self._news[slots], self.looked = True, True
        spoiled = slots[~good]
        return Look(grown[self._seated[grown]], vacated, spoiled[self._seated[spoiled]])

    def due(self, most: int) -> tuple[Slots, Numbers]:
        """Return up to ``most`` slots with services to be read, or to be read again, and their ids."""
        slots = self._slots[self._state[self._slots] != self._told[self._slots]][:most]
        return slots, self._id[slots]

    def doubt(self, slots: Sequence[int]) -> None:
        """Have the services in these ``slots`` read again."""
        self._told[list(slots)] = 0

    def left(self) -> bool:
        """Say whether any are :meth:`due`."""
        return len(self.due(1)[0]) > 0

    def tell(self, slots: Slots, seats: Iterable[ServiceSeat]) -> Roster:
        """Take in what was read of the services in ``slots``, and what is vacant since the last time.

        A row that is no member, or was gone when it was read, has no seat.
        """
        self._told[slots] = self._state[slots]
        seated = {seat.slot: seat for seat in seats}
        had = slots[self._seated[slots]]
        lost = [slot for slot in had.tolist() if slot not in seated]
        self._seated[lost] = False
        taken = np.fromiter(seated, np.int64, len(seated))
        if self._swept:
            self._news[taken[~self._seated[taken]]] = False
        self._seated[taken] = True
        self._member_id[taken] = [seat.member_id for seat in seated.values()]
        vacated = sorted({*lost, *self._gone})
        self._free += self._gone
        self._gone = []
        members = [(seat.slot, seat.member) for seat in seated.values()]
        return Roster(members, vacated, ordered=self._ordered_in(seated.values()))

    def beats(self, interval_ms: int, push_timeout_ms: int) -> Beats:
        """Return what members' rows say, as beats; a row that came later says something once it grew."""
        slots = self._slots[self._seated[self._slots] & self._news[self._slots]]
        count, self._swept = len(slots), True
        return Beats(
            slot=slots,
            member_id=self._member_id[slots],
            incarnation=self._id[slots].astype(np.uint64),
            sequence=(self._reports[slots] + 1).astype(np.uint64),
            interval_ms=np.full(count, interval_ms, np.uint32),
            status=np.full(count, Status.OK, np.uint8),
            sent_ms=np.zeros(count, np.int64),
            missed=np.zeros(count, np.uint16),
            push_timeout_ms=np.full(count, push_timeout_ms, np.uint16),
            lag_ms=np.zeros(count, np.uint32),
        )

    def last_seen(self) -> LastSeen | None:
        """Return when members were last seen up, as the rows say; None where that was not asked for."""
        if self._seen is None:
            return None
        seated = self._seated[self._slots]
        return LastSeen(self._slots[seated], self._seen[seated])

    def _ordered_in(self, seats: Iterable[ServiceSeat]) -> list[tuple[int, Facts]]:
        """Return what is ordered of members, where it is something, or was before."""
        ordered = list[tuple[int, Facts]]()
        for slot, orders in ((seat.slot, seat.orders) for seat in seats):
            if orders != _NOTHING or slot in self._ordered:
                ordered.append((slot, orders))
            (self._ordered.discard if orders == _NOTHING else self._ordered.add)(slot)
        return ordered

    def _follow(self, ids: Numbers) -> Slots:
        """Give each of ``ids`` (n) a slot; return those of rows that are gone."""
        if np.array_equal(ids, self._ids):
            return _NONE
        slots = np.full(len(ids), -1, np.int64)
        _, before, now = np.intersect1d(self._ids, ids, assume_unique=True, return_indices=True)
        slots[now] = self._slots[before]
        gone = np.delete(self._slots, before)
        self._vacate(gone)
        slots[slots < 0] = self._new_slots(int(np.count_nonzero(slots < 0)))
        self._ids, self._slots = ids, slots
        return gone

    def _vacate(self, gone: Slots) -> None:
        told = gone[self._seated[gone]].tolist()
        self._seated[gone] = False
        self._id[gone] = self._told[gone] = self._state[gone] = 0
        self._ordered -= set(told)
        self._news[gone] = False
        self._gone += told
        # The others were never told of, so that they are free at once.
        self._free += sorted(set(gone.tolist()) - set(told))

    def _new_slots(self, count: int) -> list[int]:
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        more = range(self._end, self._end + count - len(again))
        self._end += len(more)
        for name in _COLUMNS:
            setattr(self, name, pages.with_room(getattr(self, name), self._end))
        return [*again, *more]

    def _begin(self, slots: Slots, ids: Numbers) -> None:
        self._id[slots] = ids
        self._count[slots] = self._told[slots] = 0
        self._news[slots] = False


def _in_order(rows: ServiceRows) -> ServiceRows:
    if (rows.id[1:] > rows.id[:-1]).all():
        return rows
    order = np.argsort(rows.id)
    id_, count, digest, orders = (column[order] for column in rows[:4])
    return ServiceRows(id_, count, digest, orders, None if rows.seen is None else rows.seen[order])
