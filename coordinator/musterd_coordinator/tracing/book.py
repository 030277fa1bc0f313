"""The book has what was recorded last of each row, so that only changes are recorded. Pure, in columns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Code, Mask, Rows, Seconds
from musterd_coordinator.process import pages
from musterd_coordinator.roll.traced import MemberColumns

Lives = NDArray[np.uint32]
"""Members by their number in the trace: the lives of their rows."""

UNTOLD, DEAD, ALIVE = -1, 0, 1
"""What a rule of Nova's said of a member: nothing yet, or what stands in a trace."""

LONG = 1.5
"""Intervals of silence from which on its end is recorded."""


class Returns(NamedTuple):
    """`Returns` are members in ``rows`` (n) that beat again ``at`` an instant, silent since ``last``.

    Instants are monotonic seconds. ``restarted`` are those of which another run beats.
    """

    rows: Rows
    at: Seconds
    last: Seconds
    restarted: Mask


class Holding(NamedTuple):
    """A `Holding` is what holds of the members in ``rows`` (n), ``since`` when, in monotonic seconds."""

    rows: Rows
    since: Seconds


class TraceBook:
    """A `TraceBook` is by row; ``life`` is 0 where no member is.

    ``interval`` is that of members of whom none is known, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.life: Lives = np.zeros(0, np.uint32)
        self.state: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.since: Seconds = np.zeros(0)  # of the state
        self.heard: Seconds = np.zeros(0)  # -inf: never
        self._incarnation: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.alive: NDArray[np.int8] = np.zeros(0, np.int8)
        self.alive_since: Seconds = np.zeros(0)
        self.age: Seconds = np.zeros(0)  # by which a rule decided that

    def follow(self, now: MemberColumns, at: float) -> Lives:
        """Begin anew the rows that another member has ``at`` an instant, or none; return who is gone."""
        size = len(now.life)
        self._reserve(size)
        others = np.flatnonzero(self.life[:size] != now.life)
        before = self.life[others]
        self.life[others] = now.life[others]
        self.state[others] = np.where(now.life[others] > 0, Code.UNKNOWN, Code.FREE)
        self.since[others], self.heard[others], self.alive[others] = at, -np.inf, UNTOLD
        return before[before > 0]

    def changed(self, now: MemberColumns, at: float) -> Holding:
        """Take in the states that there are ``at`` an instant; return where they are others than before."""
        rows = np.flatnonzero(self.state[: len(now.state)] != now.state)
        self.state[rows], self.since[rows] = now.state[rows], at
        return Holding(rows, self.since[rows])

    def returned(self, now: MemberColumns) -> Returns:
        """Take in when members were heard last; return those that had been silent for long."""
        rows = np.flatnonzero(
            now.heard_at > self.heard[: len(now.heard_at)]
        )  # false for NaN: never
        at, last = now.heard_at[rows], self.heard[rows]
        long = (at - last > LONG * self.intervals(now, rows)) & (last > -np.inf)
        restarted = now.incarnation[rows] != self._incarnation[rows]
        self.heard[rows], self._incarnation[rows] = at, now.incarnation[rows]
        return Returns(rows[long], at[long], last[long], restarted[long])

    def judged(self, rows: Rows, alive: Mask, ages: Seconds, at: float) -> Holding:
        """Take in what a rule says of ``rows`` (n) ``at`` an instant; return of whom it said otherwise.

        That it calls somebody alive from the beginning is nothing to say.
        """
        said = alive.astype(np.int8)
        others = said != self.alive[rows]
        told = rows[others & ~(alive & (self.alive[rows] == UNTOLD))]
        changed = rows[others]
        self.alive[changed], self.alive_since[changed] = said[others], at
        self.age[changed] = ages[others]
        return Holding(told, self.alive_since[told])

    def silent(self, now: MemberColumns, at: float, among: Rows | None = None) -> Holding:
        """Return who of all, or of those in ``among``, has been silent for long, and since when."""
        rows = np.arange(len(now.life)) if among is None else among
        rows = rows[(self.life[rows] > 0) & (self.heard[rows] > -np.inf)]
        rows = rows[at - self.heard[rows] > LONG * self.intervals(now, rows)]
        return Holding(rows, self.heard[rows])

    def not_up(self) -> Holding:
        """Return whose verdict is not ``up``, and since when."""
        rows = np.flatnonzero(~np.isin(self.state, (Code.FREE, Code.UP)))
        return Holding(rows, self.since[rows])

    def dead(self) -> Holding:
        """Return whom a rule of Nova's calls dead, and since when."""
        rows = np.flatnonzero((self.life > 0) & (self.alive == DEAD))
        return Holding(rows, self.alive_since[rows])

    def intervals(self, now: MemberColumns, rows: Rows) -> Seconds:
        """Return how often members in ``rows`` (n) beat, in seconds."""
        known = now.interval[rows].astype(np.float64)
        known[known == 0] = self.interval
        return known

    def _reserve(self, size: int) -> None:
        for name in ("life", "state", "since", "heard", "_incarnation", "alive_since", "age"):
            setattr(self, name, pages.with_room(getattr(self, name), size))
        self.alive = pages.with_room(self.alive, size, UNTOLD)
