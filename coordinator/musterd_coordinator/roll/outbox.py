"""What a roll learnt and its registry does not know yet, as small as it can be kept."""

from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from musterd.model import Member, Transition
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.rows import transition_row
from musterd_coordinator.roll.changeset import ChangeSet
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.rowset import RowSet


class Outbox:
    """Rows whose states are to be saved, and lines for the history, oldest first.

    ``lines`` are those that came one by one. What a sweep told stays as columns until it is taken.
    """

    def __init__(self, directory: NameIndex) -> None:
        self._directory = directory
        self.rows = RowSet()
        self.lines: deque[Transition] = deque()
        self._told: deque[_Untaken] = deque()

    def __len__(self) -> int:
        """Rows and lines."""
        return len(self.rows) + self._line_count()

    def __bool__(self) -> bool:
        return bool(self.rows or self.has_lines)

    @property
    def has_lines(self) -> bool:
        """Is there anything for the history?"""
        return bool(self.lines or self._told)

    def told(self, told: ChangeSet) -> None:
        """A sweep told all this."""
        if len(told.rows):
            self._told.append(_Untaken(told))

    def forget(self, row: int) -> None:
        """The row's member is about to be forgotten: its lines are kept under its name."""
        self.rows.discard(row)
        if told := self._lines_told(row):
            self.lines = deque(sorted([*self.lines, *told], key=attrgetter("version")))
        for untaken in self._told:
            untaken.gone.add(row)

    def lines_of(self, row: int | None, group: str, name: str) -> list[Transition]:
        """The lines of a member, which sits in ``row`` if it was not forgotten."""
        own = (line for line in self.lines if (line.group, line.member) == (group, name))
        told = () if row is None else self._lines_told(row)
        return sorted([*told, *own], key=attrgetter("version"))

    def take_lines(self, most: int) -> list[Row]:
        """Take out up to ``most`` lines as the registry's rows, oldest first."""
        taken: list[Row] = []
        while len(taken) < most and self.has_lines:
            if self.lines and not (self._told and self._told[0].version <= self.lines[0].version):
                taken.append(transition_row(self.lines.popleft()))
                continue
            taken += map(transition_row, self._told[0].take(most - len(taken), self._directory))
            if not self._told[0].left:
                self._told.popleft()
        return taken

    def lose_lines(self, most: int) -> int:
        """Lose the oldest lines beyond ``most``; how many."""
        lost = max(0, self._line_count() - most)
        left = lost
        while left and self._told:
            left -= self._told[0].skip(left)
            if not self._told[0].left:
                self._told.popleft()
        for _ in range(left):
            self.lines.popleft()
        return lost

    def _line_count(self) -> int:
        return len(self.lines) + sum(untaken.left for untaken in self._told)

    def _lines_told(self, row: int) -> list[Transition]:
        member = self._directory.member(row)
        lines = (untaken.line_of(row, member) for untaken in self._told)
        return [line for line in lines if line is not None]


class _Untaken:
    """What is left of what a sweep told; ``gone`` are rows whose members were forgotten since."""

    def __init__(self, told: ChangeSet) -> None:
        self._told = told
        self._at = 0
        self.gone: set[int] = set()

    @property
    def version(self) -> int:
        """In which it became visible."""
        return self._told.version

    @property
    def left(self) -> int:
        """How many changes were not taken yet."""
        return len(self._told.rows) - self._at

    def line_of(self, row: int, member: Member) -> Transition | None:
        """The line of ``member``, who sits in ``row``, if there is one and it was not taken."""
        place = None if row in self.gone else self._told.place(row)
        return None if place is None or place < self._at else self._told.line(place, member)

    def skip(self, most: int) -> int:
        """Leave out up to ``most``; how many."""
        count = min(most, self.left)
        self._at += count
        return count

    def take(self, most: int, directory: NameIndex) -> Iterator[Transition]:
        """Take out up to ``most``."""
        begin = self._at
        self.skip(most)
        rows = self._told.rows[begin : self._at].tolist()
        for place, row in enumerate(rows, begin):
            if row not in self.gone:
                yield self._told.line(place, directory.member(row))
