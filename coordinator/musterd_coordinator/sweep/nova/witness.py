"""Services that write to the database themselves need it alone: a row that changes is a witness. Pure.

A canary shows that rows can be written on the server, and not that Nova's own table can be: it may be
locked, as while its columns are changed. That it can be shows whoever reports in it, by whatever way.
"""

from musterd_coordinator.sweep.nova.pace import LookClock, ReportPace


class Witness:
    """A `Witness` says whether anybody reported of late."""

    def __init__(self, pace: ReportPace) -> None:
        self._pace = pace
        self._clock = LookClock(pace)
        self._heard: float | None = None

    def take(self, now: float, *, reported: bool) -> None:
        """Take in a look at ``now`` monotonic seconds, by which somebody had ``reported`` or nobody."""
        time = self._clock.look(now)
        if reported:
            self._heard = time

    @property
    def is_open(self) -> bool:
        """Say whether somebody did."""
        return self._heard is not None and self._clock.time - self._heard <= self._pace.late

    @property
    def reason(self) -> str:
        """Say why nobody is judged."""
        if self._heard is None:
            return "no service of this cell was seen to report yet"
        silent = self._clock.time - self._heard
        return f"no service of this cell has reported for {silent:.0f} s: is its table locked?"
