"""The module keeps what a roll learnt and its registry does not know yet, as small as can be."""

from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Protocol

from musterd.model import Member, Transition
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.rows import transition_row
from musterd_coordinator.roll.rowset import RowSet


class ToldTogether(Protocol):
    """A `ToldTogether` has lines of history of many members, all of one version."""

    version: int
    rows: Rows

    def place(self, row: int) -> int | None:
        """Return which of the lines, from 0, is that of ``row``; None if none is."""

    def line(self, place: int, member: Member) -> Transition:
        """Return the line at ``place``, which is of ``member``."""


class Outbox:
    """An `Outbox` has the rows with states to be saved, and lines for the history, oldest first.

    ``lines`` are those that came one by one. What a sweep, or an order for many, told stays as
    columns until it is taken. ``member`` returns who sits in a row, with the zone that it is in.
    """

    def __init__(self, member: Callable[[int], Member]) -> None:
        self._member = member
        self.rows = RowSet()
        self.lines: deque[Transition] = deque()
        self._told: deque[_Untaken] = deque()

    def __len__(self) -> int:
        """Return how many rows and lines there are."""
        return len(self.rows) + self._line_count()

    def __bool__(self) -> bool:
        return bool(self.rows or self.has_lines)

    @property
    def has_lines(self) -> bool:
        """Say whether there is anything for the history."""
        return bool(self.lines or self._told)

    def add_changes(self, told: ToldTogether) -> None:
        """Keep all that a sweep, or an order for many, changed."""
        if len(told.rows):
            self._told.append(_Untaken(told))

    def remove(self, row: int) -> None:
        """Keep the lines of the row's member by its name, as it is about to be removed."""
        self.rows.discard(row)
        if told := self._lines_told(row):
            self.lines = deque(sorted([*self.lines, *told], key=attrgetter("version")))
        for untaken in self._told:
            untaken.gone.add(row)

    def lines_of(self, row: int | None, group: str, name: str) -> list[Transition]:
        """Return the lines of a member, which sits in ``row`` if it was not forgotten."""
        own = (line for line in self.lines if (line.group, line.member) == (group, name))
        told = () if row is None else self._lines_told(row)
        return sorted([*told, *own], key=attrgetter("version"))

    def pop_lines(self, most: int) -> list[Row]:
        """Remove and return up to ``most`` lines as the registry's rows, oldest first."""
        taken: list[Row] = []
        while len(taken) < most and self.has_lines:
            if self.lines and not (self._told and self._told[0].version <= self.lines[0].version):
                taken.append(transition_row(self.lines.popleft()))
                continue
            taken += map(transition_row, self._told[0].pop(most - len(taken), self._member))
            if not self._told[0].remaining:
                self._told.popleft()
        return taken

    def drop_lines(self, most: int) -> int:
        """Drop the oldest lines beyond ``most``, and return how many those were."""
        lost = max(0, self._line_count() - most)
        left = lost
        while left and self._told:
            left -= self._told[0].skip(left)
            if not self._told[0].remaining:
                self._told.popleft()
        for _ in range(left):
            self.lines.popleft()
        return lost

    def _line_count(self) -> int:
        return len(self.lines) + sum(untaken.remaining for untaken in self._told)

    def _lines_told(self, row: int) -> list[Transition]:
        member = self._member(row)
        lines = (untaken.line_of(row, member) for untaken in self._told)
        return [line for line in lines if line is not None]


class _Untaken:
    """An `_Untaken` is what is left of what was told together.

    ``gone`` are rows of members that were forgotten since.
    """

    def __init__(self, told: ToldTogether) -> None:
        self._told = told
        self._at = 0
        self.gone: set[int] = set()

    @property
    def version(self) -> int:
        """Return the version in which it became visible."""
        return self._told.version

    @property
    def remaining(self) -> int:
        """Return how many changes were not taken yet."""
        return len(self._told.rows) - self._at

    def line_of(self, row: int, member: Member) -> Transition | None:
        """Return the line of ``member`` in ``row``, if there is one and it was not taken."""
        place = None if row in self.gone else self._told.place(row)
        return None if place is None or place < self._at else self._told.line(place, member)

    def skip(self, most: int) -> int:
        """Leave out up to ``most`` changes, and return how many those were."""
        count = min(most, self.remaining)
        self._at += count
        return count

    def pop(self, most: int, member: Callable[[int], Member]) -> Iterator[Transition]:
        """Remove up to ``most`` changes, and yield them as lines."""
        begin = self._at
        self.skip(most)
        rows = self._told.rows[begin : self._at].tolist()
        for place, row in enumerate(rows, begin):
            if row not in self.gone:
                yield self._told.line(place, member(row))
