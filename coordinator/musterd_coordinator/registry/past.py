"""A stretch of the history is read from its newest line backwards, so much at a time. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from musterd.model import State, Transition

LOOKED_AT = 50_000
"""Lines that are looked at for one page: where few of them are of a group or a zone, it has fewer."""

COUNTED = 200_000
"""Lines that are counted at once, the newest of a stretch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """A `Position` is a line of the history: when it was, and its number among those of that instant."""

    at: datetime
    number: int


class HistorySpan(NamedTuple):
    """A `HistorySpan` is a stretch of the history: from ``since`` on and before ``until``, of whom."""

    since: datetime
    until: datetime
    group: str | None = None
    zone: str | None = None

    @property
    def is_of_all(self) -> bool:
        """Say whether all lines of its time are meant."""
        return self.group is None and self.zone is None

    def begin(self, before: Position | None) -> Position:
        """Return the position before which to read."""
        return Position(self.until, 0) if before is None else min(before, Position(self.until, 0))


class LinePage(NamedTuple):
    """A `LinePage` has lines, the newest first; ``following`` is what the next page is before, if any."""

    lines: Sequence[Transition]
    following: Position | None


class ChangeCounts(NamedTuple):
    """These are changes of state from ``since`` on, counted by the number of a step and the new state.

    Steps are numbered from 1970 on. ``since`` is later than asked for where there were too many.
    """

    since: datetime
    counts: Sequence[tuple[int, State, int]]


def counts_from(
    rows: Sequence[Sequence[Any]], stretch: HistorySpan, edge: Position | None, step: int
) -> ChangeCounts:
    """Return what ``rows`` of step, state and count say, without the step that ``edge`` cuts."""
    since, first = stretch.since, step_of(stretch.since, step)
    if edge is not None:
        first = step_of(edge.at, step) + 1
        since = start_of(first, step)
    counts = [
        (int(number), State(state), int(count))
        for number, state, count in rows
        if int(number) >= first and state in set(State)
    ]
    return ChangeCounts(since, sorted(counts))


def step_of(at: datetime, step: int) -> int:
    """Return the number of the step of so many seconds that ``at`` is in."""
    return (at - _EPOCH) // timedelta(seconds=step)


def start_of(number: int, step: int) -> datetime:
    """Return when a step began."""
    return _EPOCH + timedelta(seconds=number * step)
