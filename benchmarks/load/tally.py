"""The module counts for a worker; the numbers add up over workers."""

from time import monotonic
from typing import Self

import msgspec

from benchmarks.load.latency import Latencies

REASONS = 5


class Tally(msgspec.Struct):
    """A `Tally` is what became of beats since the counting began.

    ``due`` beats are what the schedule asked for; each was ``skipped`` or ``sent``; of those that
    were sent some got ``through``, some found their member ``lost``, some ``failed``. ``late`` left
    late by our own fault, ``slow`` were answered after the agents' push timeout. ``writes`` is how
    many times a socket was written to. ``behind`` is how far the worker fell behind its clock, at
    most (seconds); ``seconds`` is for how long it has been counted.
    """

    seconds: float = 0.0
    due: int = 0
    skipped: int = 0
    sent: int = 0
    through: int = 0
    lost: int = 0
    failed: int = 0
    late: int = 0
    slow: int = 0
    announced: int = 0
    reconnects: int = 0
    writes: int = 0
    behind: float = 0.0
    longest: float = 0.0
    counts: list[int] = []
    reasons: dict[str, int] = {}

    def __add__(self, other: Self) -> "Tally":
        both = Latencies(self.counts, self.longest) + Latencies(other.counts, other.longest)
        reasons = dict(self.reasons)
        for reason, times in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + times
        added = {name: getattr(self, name) + getattr(other, name) for name in _COUNTERS}
        return Tally(
            **added,
            seconds=max(self.seconds, other.seconds),
            behind=max(self.behind, other.behind),
            longest=both.longest,
            counts=both.counts.tolist(),
            reasons=reasons,
        )

    @property
    def rate(self) -> float:
        """Return the beats a second that got through."""
        return self.through / max(self.seconds, 1e-9)

    @property
    def latencies(self) -> Latencies:
        """Return the latencies of the beats that got through."""
        return Latencies(self.counts, self.longest)

    @property
    def unanswered(self) -> int:
        """Return how many beats were sent and have had no answer."""
        return self.sent - self.through - self.lost - self.failed


_COUNTERS = tuple(field.name for field in msgspec.structs.fields(Tally) if field.type is int)


class Count:
    """A `Count` is a :class:`Tally` in the making, with its latencies as an array."""

    def __init__(self, push_timeout: float) -> None:
        self.tally = Tally()
        self.latencies = Latencies()
        self.push_timeout = push_timeout
        self._began = monotonic()

    def begin(self) -> None:
        """Count anew. Beats that are under way count as sent now."""
        under_way = self.tally.unanswered
        self.tally, self.latencies = Tally(sent=under_way), Latencies()
        self._began = monotonic()

    def fell_behind(self, seconds: float) -> None:
        """Note that the clock was looked at ``seconds`` too late."""
        self.tally.behind = max(self.tally.behind, seconds)

    def got_through(self, seconds: float, times: int) -> None:
        """Count ``times`` beats that were answered as they should be, after ``seconds``."""
        self.tally.through += times
        self.latencies.add(seconds, times)
        if seconds > self.push_timeout:
            self.tally.slow += times

    def failed(self, reason: str, times: int = 1) -> None:
        """Count ``times`` beats that came to nothing."""
        self.tally.failed += times
        reasons = self.tally.reasons
        if reason in reasons or len(reasons) < REASONS:
            reasons[reason] = reasons.get(reason, 0) + times

    def so_far(self) -> Tally:
        """Return everything counted up to now."""
        return msgspec.structs.replace(
            self.tally,
            seconds=monotonic() - self._began,
            counts=self.latencies.counts.tolist(),
            longest=self.latencies.longest,
        )
