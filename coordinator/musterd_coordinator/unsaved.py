"""What a roll learnt and its registry does not know yet, as small as it can be kept."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np

from musterd.model import Member, State, Transition
from musterd_coordinator.directory import Directory
from musterd_coordinator.judgements import Cause
from musterd_coordinator.members import Rows
from musterd_coordinator.registry import Row
from musterd_coordinator.registry_rows import transition_row
from musterd_coordinator.rowset import RowSet
from musterd_coordinator.wording import cause_text

FIRST_BEAT = cause_text(Cause.FIRST_BEAT, "", (0, 0), 0.0)


class FirstBeats(NamedTuple):
    """Members that were unknown until one sweep saw their first beat: a line of history for each.

    A whole fleet's are kept like this, a number for each line.
    """

    version: int
    at: datetime
    rows: Rows

    def line(self, member: Member) -> Transition:
        """The line of one of them."""
        return Transition(
            *(self.version, self.at, member.group, member.name),
            *(State.UNKNOWN, State.UP, FIRST_BEAT),
        )


class Unsaved:
    """Rows whose states are to be saved, and lines for the history, oldest first."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.rows = RowSet()
        self.lines: deque[Transition] = deque()
        self._first_beats: deque[FirstBeats] = deque()

    def __len__(self) -> int:
        """Rows and lines."""
        began = sum(len(each.rows) for each in self._first_beats)
        return len(self.rows) + len(self.lines) + began

    def __bool__(self) -> bool:
        return bool(self.rows or self.has_lines)

    @property
    def has_lines(self) -> bool:
        """Is there anything for the history?"""
        return bool(self.lines or self._first_beats)

    def began(self, first_beats: FirstBeats) -> None:
        """These beat for the first time."""
        if len(first_beats.rows):
            self._first_beats.append(first_beats)

    def forget(self, row: int) -> None:
        """The row's member is about to be forgotten: its lines are kept under its name."""
        self.rows.discard(row)
        member = self._directory.member(row)
        self.lines.extend(self._beginnings(row, member))
        kept = (each._replace(rows=each.rows[each.rows != row]) for each in self._first_beats)
        self._first_beats = deque(each for each in kept if len(each.rows))

    def lines_of(self, row: int | None, group: str, name: str) -> list[Transition]:
        """The lines of a member, which sits in ``row`` if it was not forgotten."""
        own = (line for line in self.lines if (line.group, line.member) == (group, name))
        began = () if row is None else self._beginnings(row, self._directory.member(row))
        return [*began, *own]

    def take_lines(self, most: int) -> list[Row]:
        """Take out up to ``most`` lines as the registry's rows; first beats before all others."""
        taken: list[Row] = []
        while self._first_beats and len(taken) < most:
            first = self._first_beats.popleft()
            now, later = np.split(first.rows, [most - len(taken)])
            if len(later):
                self._first_beats.appendleft(first._replace(rows=later))
            taken += self._rows_of(first._replace(rows=now))
        count = min(most - len(taken), len(self.lines))
        taken += [transition_row(self.lines.popleft()) for _ in range(count)]
        return taken

    def _rows_of(self, first: FirstBeats) -> Iterator[Row]:
        head, tail = (first.version, first.at), (State.UNKNOWN.value, State.UP.value, FIRST_BEAT)
        for member in map(self._directory.member, first.rows.tolist()):
            yield (*head, member.group, member.name, *tail)

    def _beginnings(self, row: int, member: Member) -> Iterator[Transition]:
        return (first.line(member) for first in self._first_beats if row in first.rows)
