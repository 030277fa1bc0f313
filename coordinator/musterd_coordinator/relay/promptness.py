"""A `LatencyReport` says whether agents hear of their beats before they give them up. Pure.

A relay that gets too little CPU, or has a slow database, answers late: agents give their beats up,
and members that live fall silent. It is at work all the same, so it has to say so.

Members are counted, not beats, and only those that are established and overdue (see ``seats``): a
connection may bring thousands of one member's beats and hang up, in its own name or in another's,
and no member is silent for that; and anybody can have seats.
"""

from collections.abc import Mapping
from typing import NamedTuple

from musterd.beat import Status

MOST_GIVEN_UP = 0.1
"""The share of the members that beat here for which agents may not wait for the answer: hosts have
troubles of their own."""

OVERDUE = 1.5
"""Intervals since a member's newest written beat after which one that was given up counts."""

COUNTED = 2.0
"""Intervals for which it counts: by then its agent beats again, here or at another relay."""


class LatencyFigures(NamedTuple):
    """These figures are what a relay's own row says: the fields of a beat."""

    status: Status
    missed: int  # members with beats that were given up, and beats that were refused
    lag_ms: int  # that the slowest answer took


class LatencyReport:
    """A `LatencyReport` is what became of beats since the last report.

    ``limit`` is an agent's push timeout, in seconds.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._refused = 0
        self._given_up: dict[int, float] = {}  # members, and until when they count
        self._longest = 0.0

    def waited(self, seconds: float) -> None:
        """Note that something took so long, and a beat waited for it or would have."""
        self._longest = max(self._longest, seconds)

    def given_up(self, intervals: Mapping[int, float], now: float) -> None:
        """Note that agents did not wait for beats of these members, which are overdue: id to interval."""
        for member, interval in intervals.items():
            self._given_up[member] = now + COUNTED * interval

    def refused(self, beats: int) -> None:
        """Note that so many were refused, because the database did not take them."""
        self._refused += beats

    def written(self, members: Mapping[int, object] | set[int]) -> None:
        """Note that beats of these members got through after all."""
        for member in self._given_up.keys() & members:
            del self._given_up[member]

    @property
    def awaits_anybody(self) -> bool:
        """Say whether :meth:`written` would make a difference."""
        return bool(self._given_up)

    def summarize(self, active: int, now: float) -> LatencyFigures:
        """Say how it went since the last report; ``active`` members beat here."""
        self._given_up = {who: until for who, until in self._given_up.items() if until > now}
        missed = len(self._given_up) + self._refused
        lags = self._longest > self._limit
        loses = missed > MOST_GIVEN_UP * (missed + active)
        status = Status.CHECK_FAILING if lags or loses else Status.OK
        report = LatencyFigures(status, missed, round(1000 * self._longest))
        self._refused, self._longest = 0, 0.0
        return report
