"""Columns of a desk over a dict, sorted anew whenever they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

import numpy as np

from musterd.answers import MemberAnswer, MemberChange, ZoneColumns
from musterd.model import Mark, State
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.arrangement import Arrangement, GroupPlaces
from musterd_coordinator.roll.cells import Cells
from musterd_coordinator.steps import Steps

Place = tuple[str, str, str]  # group, zone and name

_STATES, _MARKS = list(State), list(Mark)


def cell(answer: MemberAnswer) -> int:
    """The byte of a member, by the words of docs/http.md."""
    return _STATES.index(answer.state) + sum(8 << _MARKS.index(mark) for mark in answer.marks)


class DictColumns:
    """Columns of what ``members`` tells, with a row for each place that there ever was."""

    def __init__(
        self,
        members: Callable[[], Sequence[MemberAnswer]],
        changes_since: Callable[[int], Sequence[MemberChange] | None],
    ) -> None:
        self._members, self._changes_since = members, changes_since
        self._rows: dict[Place, int] = {}
        self._newest = Arrangement(0, np.empty(0, np.int64), {})

    at = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

    def arrange(self) -> Steps[Arrangement]:
        yield
        places = sorted(self._answers())
        rows = np.array([self._rows.setdefault(place, len(self._rows)) for place in places])
        if not self._newest.number or rows.tolist() != self._newest.rows.tolist():
            number = self._newest.number + 1
            self._newest = Arrangement(number, rows.astype(np.int64), _groups(places))
        return self._newest

    def is_newest(self, arrangement: Arrangement) -> bool:
        now = [self._rows.get(place, -1) for place in sorted(self._answers())]
        return arrangement is self._newest and now == arrangement.rows.tolist()

    def cells(self, arrangement: Arrangement) -> Cells:
        cells = {self._rows.get(place): cell(answer) for place, answer in self._answers().items()}
        return np.array([cells.get(row, 0) for row in arrangement.rows.tolist()], np.uint8)

    def changed(
        self, arrangement: Arrangement, since: int
    ) -> Mapping[str, Sequence[tuple[int, int]]] | None:
        changes = self._changes_since(since)
        if changes is None:
            return None
        names = {(change.group, change.member) for change in changes}
        rows = [self._rows.get(at, -1) for at in self._answers() if (at[0], at[2]) in names]
        known = np.array([row for row in rows if row >= 0], np.int64)
        places = np.sort(arrangement.places(known))
        places, cells = places[places >= 0], self.cells(arrangement)
        return {
            group: [
                (place - arrangement.groups[group].begin, cells.item(place))
                for place in places[which].tolist()
            ]
            for group, which in arrangement.by_group(places).items()
        }

    def is_at_hand(self, since: int) -> bool:
        return self._changes_since(since) is not None

    def names(self, rows: Rows) -> list[str] | None:
        names = {row: name for (_, _, name), row in self._rows.items()}
        return [names[row] for row in rows.tolist()]

    def _answers(self) -> dict[Place, MemberAnswer]:
        return {(each.group, each.zone, each.member): each for each in self._members()}


def _groups(places: Sequence[Place]) -> dict[str, GroupPlaces]:
    groups: dict[str, GroupPlaces] = {}
    at = 0
    for group, theirs in groupby(places, key=lambda place: place[0]):
        zones = [
            ZoneColumns(zone, len(list(each)))
            for zone, each in groupby(theirs, key=lambda place: place[1])
        ]
        begin, at = at, at + sum(zone.members for zone in zones)
        groups[group] = GroupPlaces(begin, at, tuple(zones))
    return groups
