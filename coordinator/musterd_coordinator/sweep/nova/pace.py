"""The module says how often services of Nova report and are looked at. Pure."""

from typing import NamedTuple

LONGEST_STEP = 1.5
"""Sweep periods that the time between two looks counts at most: who is late must not be late because
nobody looked."""

LATE = 2
"""Intervals from one report to the next after which that is late."""


class ReportPace(NamedTuple):
    """A `ReportPace` says, in seconds, how often members report, and how long each waits for an answer.

    A sweep comes every ``period``.
    """

    interval: float
    patience: float
    period: float

    @property
    def late(self) -> float:
        """Return the seconds after a report, as sweeps see it, when the next is late."""
        return LATE * self.interval + self.period

    @property
    def muted(self) -> float:
        """Return for how long one lost message keeps a living member silent."""
        return self.interval + self.patience


class LookClock:
    """A `LookClock` goes on from look to look, and stands still where nobody looked for long."""

    def __init__(self, pace: ReportPace) -> None:
        self._longest = LONGEST_STEP * pace.period
        self.time = pace.period  # more than 0
        self._looked_at: float | None = None

    def look(self, now: float) -> float:
        """Return its time at ``now`` monotonic seconds, when somebody looks."""
        before, self._looked_at = self._looked_at, now
        if before is not None:
            self.time += min(now - before, self._longest)
        return self.time
