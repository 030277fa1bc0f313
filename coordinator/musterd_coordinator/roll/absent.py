"""The module remembers forgotten members while their seats may still be in the store.

A forgotten member comes back only by what is newer than its forgetting. What stands in its seat may
be its last word, so the first record from a sweep that began afterwards is only remembered; the
next record that differs is news. A seat that it takes anew is news too, once an earlier sweep that
began after the forgetting has seen that it had none: no member announces itself after its death.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from musterd.model import Member
from musterd_coordinator.sweep.columns import Beats

LATELY = 60.0
"""Seconds for which a name is remembered once all its seats are gone: no sweep takes that long."""

Seat = tuple[int, int]  # shard, and slot there
Name = tuple[str, str]  # group and name


@dataclass(slots=True)
class Absentee:
    """An `Absentee` is a forgotten member and its seats, with the record that was read in each.

    ``since`` and ``vacated`` are monotonic seconds: when it was forgotten, and when the sweep of a
    shard began that saw its seat there empty.
    """

    member: Member
    since: float
    seats: dict[Seat, int | None] = field(default_factory=dict)
    vacated: dict[int, float] = field(default_factory=dict)


class Absent:
    """An `Absent` holds all forgotten members that still have a seat, by name and by seat."""

    def __init__(self) -> None:
        self._by_name: dict[Name, Absentee] = {}
        self._by_seat: dict[int, dict[int, Absentee]] = {}  # by shard and slot
        self._lately: dict[Name, float] = {}  # those that have no seat, as of when
        self._looked: dict[int, float] = {}  # when a sweep of a shard last began

    def __bool__(self) -> bool:
        return bool(self._by_name or self._lately)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, member: Member, seats: Mapping[int, int], now: float) -> None:
        """Add ``member``, which sits in ``seats`` (slots by shard) and was forgotten ``now``."""
        self._remember(member.group, member.name, now)
        if seats:
            absentee = self._by_name[member.group, member.name] = Absentee(member, now)
            for index, slot in seats.items():
                self._sit(absentee, index, slot)

    def forget_again(self, group: str, name: str, now: float) -> None:
        """Note that another coordinator forgot it.

        It may have been back there, or that coordinator was quicker.
        """
        self._remember(group, name, now)
        if absentee := self._by_name.get((group, name)):
            absentee.since = now
            absentee.seats = dict.fromkeys(absentee.seats)
            absentee.vacated = {}

    def pop(self, group: str, name: str) -> Absentee | None:
        """Remove and return a member that is known again, by its name."""
        self._lately.pop((group, name), None)
        absentee = self._by_name.pop((group, name), None)
        if absentee is not None:
            for index, slot in absentee.seats:
                del self._by_seat[index][slot]
        return absentee

    def vacate(self, index: int, slot: int, begin: float) -> None:
        """Note that a seat is no longer taken, by a sweep that began at ``begin``."""
        absentee = self._by_seat.get(index, {}).pop(slot, None)
        if absentee is None:
            return
        del absentee.seats[index, slot]
        if begin > absentee.since:
            absentee.vacated[index] = begin
        if not absentee.seats:
            group, name = absentee.member.group, absentee.member.name
            del self._by_name[group, name]
            self._remember(group, name, absentee.since)

    def stays_absent(self, index: int, slot: int, member: Member, begin: float) -> bool:
        """Say whether it is no news that ``member`` is seated there, so that it remains absent."""
        name = member.group, member.name
        if self._by_seat.get(index, {}).get(slot) is not self._by_name.get(name):
            self.vacate(index, slot, begin)
        absentee = self._by_name.get(name)
        if absentee is None:
            if name not in self._lately or self._looked.get(index, -np.inf) > self._lately[name]:
                return False
            absentee = self._by_name[name] = Absentee(member, self._lately[name])
        elif begin > absentee.vacated.get(index, np.inf):
            return False
        if (index, slot) not in absentee.seats:
            self._sit(absentee, index, slot)
        absentee.member = member
        return True

    def end_sweep(self, index: int, begin: float) -> None:
        """Note that a sweep of the shard, begun at ``begin``, was taken in: it saw all seats."""
        self._looked[index] = begin

    def find_returned(self, index: int, beats: Beats, begin: float) -> list[Absentee]:
        """Return the members that are back, by a sweep of shard ``index`` begun at ``begin``."""
        waiting = self._by_seat.get(index)
        if not waiting:
            return []
        slots = np.fromiter(waiting, np.int64, len(waiting))
        back = list[Absentee]()
        read = beats.where(np.flatnonzero(np.isin(beats.slot, slots)))
        records = (read.incarnation + read.sequence).tolist()
        for slot, record in zip(read.slot.tolist(), records, strict=True):
            absentee = waiting[slot]
            before = absentee.seats[index, slot]
            if begin <= absentee.since or record == before:
                continue
            if before is None:
                absentee.seats[index, slot] = record
            else:
                back.append(absentee)
        return back

    def _sit(self, absentee: Absentee, index: int, slot: int) -> None:
        self.vacate(index, slot, -np.inf)
        absentee.seats[index, slot] = None
        self._by_seat.setdefault(index, {})[slot] = absentee

    def _remember(self, group: str, name: str, now: float) -> None:
        self._lately.pop((group, name), None)
        self._lately[group, name] = now
        while (first := next(iter(self._lately))) and self._lately[first] < now - LATELY:
            del self._lately[first]
