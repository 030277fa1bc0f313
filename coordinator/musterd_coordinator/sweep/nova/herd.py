"""Many members whose reports take one way are a herd: only they themselves show that it is open. Pure.

A report of nova-compute passes a message queue and a conductor before it is in the database. Nothing
that a reader writes goes that way, so no canary proves it. But each member that reports makes a
*promise*: it reports again within two intervals. One that lives breaks it where the way is
broken; one that dies breaks it, too, but only once, and others go on to keep theirs. So

* the way is *open* while promises are kept, and no more of them are broken than :func:`tolerated`
  within the time for which a single lost message keeps a living member silent;
* once it was not, it is open again when a whole interval, and :data:`EVIDENCE` promises, saw hardly any
  broken;
* where nobody keeps a promise, nothing shows that it is open, however long that lasts.

What that costs and what it saves is in ``docs/watching.md``.
"""

from collections import deque
from collections.abc import Iterator
from math import ceil, isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.process import pages
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.nova.pace import LookClock, ReportPace

EVIDENCE = 30
"""Promises that show that a way is open; and members of which one may fall silent without a doubt."""

MOST_INTERVALS = 2 * EVIDENCE
"""Intervals that may go by with them, where few report."""

MOST_UNSTEADY = 0.1
"""The share of members that may be unsteady for reasons of their own."""


def tolerated(living: int) -> int:
    """Return how many of so many ``living`` members may fall silent without a doubt about their way.

    If a way loses each message with some probability, and so few fall silent within the time for which
    a loss silences them, then few enough lose two messages in a row: with a number that grows as the
    square root, as many in a large herd as in a small one.
    """
    return isqrt(living // EVIDENCE)


class Kept(NamedTuple):
    """A `Kept` counts the promises that were ``kept`` and ``broken`` in one sweep or in several.

    ``living`` are the members that reported of late, and those that just broke theirs.
    """

    kept: int
    broken: int
    living: int = 0


class Promises:
    """These are the promises of members, by slot, on a clock that stands still while nobody looks."""

    def __init__(self, pace: ReportPace) -> None:
        self._pace = pace
        self._steady = ceil(pace.muted / pace.interval)  # promises in a row
        self._heard: NDArray[np.float64] = np.zeros(0)  # 0: never
        self._late: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._row: NDArray[np.uint8] = np.zeros(0, np.uint8)  # promises kept in a row

    def forget(self, slots: Slots) -> None:
        """Forget the members of ``slots``, which another one may take."""
        slots = slots[slots < len(self._heard)]
        self._heard[slots], self._late[slots], self._row[slots] = 0.0, False, 0

    def take(self, time: float, reported: Slots) -> Kept:
        """Take in that the members of ``reported`` (n) said something new by ``time``, in seconds > 0."""
        self._reserve(1 + int(reported.max(initial=-1)))
        kept = reported[(self._heard[reported] > 0) & ~self._late[reported]]
        self._row[kept] = np.minimum(self._row[kept], np.iinfo(np.uint8).max - 1) + 1
        self._late[reported] = False
        self._heard[reported] = time
        living = (self._heard > 0) & ~self._late
        broken = np.flatnonzero(living & (self._heard < time - self._pace.late))
        count = self._that_count(broken, living)
        self._late[broken], self._row[broken] = True, 0
        return Kept(len(kept), count, int(np.count_nonzero(living)))

    def _that_count(self, broken: Slots, living: NDArray[np.bool_]) -> int:
        """Return how many of the ``broken`` ones say something of the way.

        A few members that break theirs again and again have trouble of their own. Where they are many,
        it is their way's.
        """
        if not len(broken):
            return 0
        steady = self._row >= self._steady
        unsteady = int(np.count_nonzero(living & ~steady))
        if unsteady > max(1.0, MOST_UNSTEADY * np.count_nonzero(living)):
            return len(broken)
        return int(np.count_nonzero(steady[broken]))

    def _reserve(self, size: int) -> None:
        self._heard = pages.with_room(self._heard, size)
        self._late = pages.with_room(self._late, size)
        self._row = pages.with_room(self._row, size)


class WayEvidence:
    """An `WayEvidence` is what promises of late say of their way: is it open?"""

    def __init__(self, pace: ReportPace) -> None:
        self._pace = pace
        self._sweeps = deque[tuple[float, Kept]]()
        self._open_since: float | None = None
        self._seen = Kept(0, 0)

    @property
    def is_open(self) -> bool:
        """Say whether it is."""
        return self._open_since is not None

    def add(self, time: float, kept: Kept) -> None:
        """Take in what a sweep at ``time`` found; times ascend."""
        pace, self._seen = self._pace, kept
        self._sweeps.append((time, kept))
        horizon = time - max(pace.muted, MOST_INTERVALS * pace.interval)
        while self._sweeps[0][0] <= horizon:
            self._sweeps.popleft()
        if not self._within(time, pace.late).kept:
            self._open_since = None
        elif self._open_since is None:
            self._open_since = time if self._is_shown(time) else None
        elif self._is_doubtful(time, self._open_since):
            self._open_since = None

    @property
    def reason(self) -> str:
        """Say why it is not open."""
        recent = Kept(0, 0)
        for _, recent in self._backwards(self._sweeps[-1][0] if self._sweeps else 0.0):
            if recent.kept + recent.broken >= EVIDENCE:
                break
        if not recent.kept:
            return "none of them reports in time"
        if recent.broken:
            return f"{recent.broken} fell silent lately, while {self._seen.living} report"
        return f"{recent.kept} of {EVIDENCE} reports in time were seen, from {self._seen.living}"

    def _is_doubtful(self, time: float, since: float) -> bool:
        lately = self._within(time, min(self._pace.muted, time - since))
        return lately.broken > tolerated(lately.living)

    def _is_shown(self, time: float) -> bool:
        most = tolerated(self._within(time, self._pace.interval).living)
        for span, recent in self._backwards(time):
            if span >= self._pace.interval and recent.kept + recent.broken >= EVIDENCE:
                return recent.broken * self._pace.muted <= most * span
        return False

    def _within(self, time: float, span: float) -> Kept:
        """Return what was kept and broken within ``span``, of as many members as lived then at most."""
        some = [kept for at, kept in self._sweeps if at > time - span]
        return Kept(
            sum(each.kept for each in some),
            sum(each.broken for each in some),
            max((each.living for each in some), default=0),
        )

    def _backwards(self, time: float) -> Iterator[tuple[float, Kept]]:
        """Yield what was kept and broken within ever longer spans, back from ``time``, with each span."""
        kept = broken = 0
        for at, each in reversed(self._sweeps):
            if time - at > MOST_INTERVALS * self._pace.interval:
                return
            kept, broken = kept + each.kept, broken + each.broken
            yield time - at + self._pace.period, Kept(kept, broken)


class Herd:
    """A `Herd` says of its members, by what they report, whether the way that they share is open."""

    def __init__(self, pace: ReportPace) -> None:
        self._clock = LookClock(pace)
        self._promises, self._evidence = Promises(pace), WayEvidence(pace)

    def forget(self, slots: Slots) -> None:
        """Forget members that are gone."""
        self._promises.forget(slots)

    def take(self, now: float, reported: Slots) -> None:
        """Take in a look at all members at ``now`` monotonic seconds: those in ``reported`` are new."""
        time = self._clock.look(now)
        self._evidence.add(time, self._promises.take(time, reported))

    @property
    def is_open(self) -> bool:
        """Say whether its way is open."""
        return self._evidence.is_open

    @property
    def reason(self) -> str:
        """Say why it is not."""
        return self._evidence.reason
