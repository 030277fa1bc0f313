"""A shard's clock of listening time advances only while the shard could have carried a beat.

A sweep *proves* the path when the canary written before it came back with it. Between two proven
sweeps in a row the clock advances by the time between their beginnings, at most
:data:`LONGEST_STEP` sweep periods, so that a coordinator that was late itself accuses no member of
its own lateness. A sweep that proves nothing, or a pause between two sweeps, is a *gap*: the clock
stands still through it, and the first proven sweep after it only starts the clock again.
"""

from dataclasses import dataclass
from enum import Enum, auto

LONGEST_STEP = 1.5
"""The most that one sweep may advance the clock, in sweep periods."""


class Step(Enum):
    """A `Step` is what one sweep did to the clock."""

    STOOD_STILL = auto()
    RESUMED = auto()  # the first proven sweep after a gap, or of all
    ADVANCED = auto()


@dataclass(slots=True)
class ListeningClock:
    """A `ListeningClock` is the listening time of one shard, in seconds.

    It is pure: instants are those of its caller. ``period`` is the sweep period and ``timeout`` the
    longest that a sweep may take and still prove anything, both in seconds.
    """

    period: float
    timeout: float
    time: float = 0.0
    resumed: bool = False  # since the last gap
    mostly_deaf: bool = False  # for most members pushes are given less time than the canary took
    proven_at: float | None = None  # when the newest proven sweep began
    _ended_at: float = 0.0

    @property
    def listening(self) -> bool:
        """Say whether the newest sweep could hear most of the shard's members."""
        return self.resumed and not self.mostly_deaf

    def advance(self, begin: float, end: float, proven: bool) -> Step:
        """Take in a sweep that ran from ``begin`` to ``end``."""
        paused = self.proven_at is not None and begin - self._ended_at > LONGEST_STEP * self.period
        self._ended_at = end
        if not proven or end - begin > self.timeout:
            self.resumed = False
            return Step.STOOD_STILL
        previous, self.proven_at = self.proven_at, begin
        if previous is None or paused or not self.resumed:
            self.resumed = True
            return Step.RESUMED
        self.time += min(begin - previous, LONGEST_STEP * self.period)
        return Step.ADVANCED

    def staleness(self, now: float) -> float | None:
        """Return the seconds since the newest proven sweep began; None before the first."""
        return None if self.proven_at is None else max(0.0, now - self.proven_at)
