"""The module keeps all members in the order of their groups, zones and names, once that is asked for."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.answers import ZoneColumns
from musterd_coordinator.judge.members import Code, Mask, Members, Rows
from musterd_coordinator.roll.names import NOBODY, Group, NameIndex
from musterd_coordinator.roll.order import BLOCK
from musterd_coordinator.roll.rowset import RowSet
from musterd_coordinator.steps import Steps

PUT_AT_ONCE = 100
"""Members that are put between others in one step."""

GROUPS_AT_ONCE = 50
"""Small groups that are put in order in one step."""

REBUILT_FROM = 1000
"""From so many members on that are not in their places, or an eighth of all, all are put in order anew."""

_Key = tuple[str, str, bytes]  # group, zone and name


class GroupPlaces(NamedTuple):
    """A `GroupPlaces` is where one group stands: from ``begin`` on, and before ``end``, by zone."""

    begin: int
    end: int
    zones: tuple[ZoneColumns, ...]


class Arrangement:
    """An `Arrangement` is all members in order at one moment; it does not change.

    ``number`` tells one from another. ``rows`` (n) has their rows by place.
    """

    def __init__(self, number: int, rows: Rows, groups: Mapping[str, GroupPlaces]) -> None:
        self.number = number
        self.rows = rows
        self.groups = groups
        self._begins = np.array([places.begin for places in groups.values()], np.int64)
        self._places = np.full(int(rows.max(initial=-1)) + 1, NOBODY, np.int32)
        self._places[rows] = np.arange(len(rows), dtype=np.int32)

    def places(self, rows: Rows) -> NDArray[np.int32]:
        """Return the places of ``rows`` (n), NOBODY for those that have none."""
        within = rows < len(self._places)
        places = np.full(len(rows), NOBODY, np.int32)
        places[within] = self._places[rows[within]]
        return places

    def by_group(self, places: NDArray[np.int32]) -> dict[str, slice]:
        """Return which of ascending ``places`` (n) are of which group; no group without any."""
        bounds = [*np.searchsorted(places, self._begins).tolist(), len(places)]
        return {
            name: slice(bounds[at], bounds[at + 1])
            for at, name in enumerate(self.groups)
            if bounds[at] < bounds[at + 1]
        }


class Arranger:
    """An `Arranger` makes arrangements of the members of a roll, the next from the one before.

    Whatever adds, removes or moves members touches their rows. Nothing is kept until the first is
    asked for.
    """

    def __init__(self, members: Members, directory: NameIndex, *, block: int = BLOCK) -> None:
        self._members, self._directory, self._block = members, directory, block
        self._rows: Rows | None = None  # in order, but for those that are touched
        self._touched = RowSet()
        self._is_any = False  # touched
        self._newest = Arrangement(0, np.empty(0, np.int64), {})

    def touch(self, rows: Rows) -> None:
        """Note that ``rows`` have other members now, or these are in other zones."""
        if self._rows is not None and len(rows):
            self._touched.add(rows)
            self._is_any = True

    def is_newest(self, arrangement: Arrangement) -> bool:
        """Say whether all members still stand as in ``arrangement``."""
        return arrangement is self._newest and self._rows is not None and not self._is_any

    def are_touched(self, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) are not as they were in the newest arrangement."""
        return self._touched.has(rows)

    def arrange(self) -> Steps[Arrangement]:
        """Return all members in order, as they are when the last step is done; one arranges at a time."""
        if self._rows is None or len(self._touched) > max(REBUILT_FROM, len(self._rows) // 8):
            yield from self._rebuild()
        while self._is_any:
            self._put_some()
            yield
        return self._newest

    def _rebuild(self) -> Steps[None]:
        self._rows, self._touched, self._is_any = np.empty(0, np.int64), RowSet(), True
        try:
            self._rows = yield from self._in_order()
        except BaseException:  # whoever asked went away meanwhile
            self._rows = None
            raise

    def _put_some(self) -> None:
        """Put some of those that are touched in their places; with the last of them all are arranged."""
        assert self._rows is not None, "there is something to put them in"
        touched = self._touched.among(0, self._members.size)
        kept = self._rows[~self._touched.has(self._rows)]
        some = self._touched.pop(touched[:PUT_AT_ONCE])
        keyed = sorted(
            (self._key(row), row) for row in some.tolist() if self._members.state[row] != Code.FREE
        )
        places = [bisect_left(kept, key, key=self._key) for key, _ in keyed]
        self._rows = np.insert(kept, places, [row for _, row in keyed])
        if len(touched) <= PUT_AT_ONCE:
            self._is_any = False
            self._newest = Arrangement(self._newest.number + 1, self._rows, self._groups())

    def _key(self, row: int) -> _Key:
        zone = self._directory.zones.key(self._members.zone.item(row))
        return *zone, self._directory.name(row)

    def _groups(self) -> dict[str, GroupPlaces]:
        """Return where the groups stand; nobody is touched."""
        assert self._rows is not None, "they are in order"
        zones = self._members.zone[self._rows]
        begins = [0, *(np.flatnonzero(np.diff(zones)) + 1).tolist()] if len(zones) else []
        parts: dict[str, list[ZoneColumns]] = {}
        for begin, end in pairwise([*begins, len(zones)]):
            group, zone = self._directory.zones.key(zones.item(begin))
            parts.setdefault(group, []).append(ZoneColumns(zone, end - begin))
        return _placed(parts)

    def _in_order(self) -> Steps[Rows]:
        """Return the rows of all members in order; who comes, goes or moves meanwhile is touched."""
        parts = [np.empty(0, np.int64)]
        for at, name in enumerate(list(self._directory.group_names)):
            group = self._directory.groups.get(name)
            if group is None:
                continue
            if len(group.rows) > self._block:
                parts.append((yield from self._sorted(group)))
            else:
                parts.append(np.array(sorted(group.rows, key=self._key), np.int64))
            if at % GROUPS_AT_ONCE == GROUPS_AT_ONCE - 1:
                yield
        return np.concatenate(parts)

    def _sorted(self, group: Group) -> Steps[Rows]:
        names = yield from self._directory.in_order(group)
        parts, last = [np.empty(0, np.int64)], b""
        while some := names.after(last, self._block):
            rows = self._directory.rows(group.name, [name.decode() for name in some])
            parts.append(rows[rows != NOBODY])
            last = some[-1]
            yield
        rows = np.concatenate(parts)
        ranks = self._ranks(group.name)[self._members.zone[rows]]
        return rows[np.argsort(ranks, kind="stable")]  # by radix, where there are fewer than 65,536

    def _ranks(self, group: str) -> NDArray[np.unsignedinteger[Any]]:
        """Return the places of the group's zones among each other, by their numbers."""
        zones = self._directory.zones
        numbers = [number for _, number in sorted(zones.of_group.get(group, {}).items())]
        short = np.uint16 if len(numbers) < _SHORT else np.uint32
        ranks: NDArray[Any] = np.zeros(len(zones.group_of()), short)
        ranks[numbers] = np.arange(len(numbers))
        return ranks


_SHORT = 1 << 16


def _placed(parts: Mapping[str, Sequence[ZoneColumns]]) -> dict[str, GroupPlaces]:
    placed: dict[str, GroupPlaces] = {}
    at = 0
    for group, zones in parts.items():
        begin, at = at, at + sum(zone.members for zone in zones)
        placed[group] = GroupPlaces(begin, at, tuple(zones))
    return placed
