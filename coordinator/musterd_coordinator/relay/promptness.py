"""Whether agents hear of their beats before they give them up; pure.

A relay that gets too little CPU, or whose database is slow, answers late: agents give their beats
up, and members that live fall silent. It is at work all the same, so it has to say so.
"""

from typing import NamedTuple

from musterd.beat import Status

MOST_GIVEN_UP = 0.1
"""The share of beats whose agents may not wait for the answer: hosts have troubles of their own."""


class Report(NamedTuple):
    """What a relay's own row says: the fields of a beat."""

    status: Status
    missed: int  # beats that agents gave up, or that were refused
    lag_ms: int  # that the slowest answer took


class Promptness:
    """What became of beats since the last report. ``limit`` is an agent's push timeout, seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._answered = self._missed = 0
        self._longest = 0.0

    def answered(self, beats: int, waited: float) -> None:
        """So many beats were answered, the first of them ``waited`` seconds after it came."""
        self._answered += beats
        self.waited(waited)

    def waited(self, seconds: float) -> None:
        """Something took so long for which a beat would have waited as well."""
        self._longest = max(self._longest, seconds)

    def missed(self, beats: int) -> None:
        """So many were given up by their agents, or refused."""
        self._missed += beats

    def report(self) -> Report:
        """How it went since the last report."""
        lags = self._longest > self._limit
        loses = self._missed > MOST_GIVEN_UP * (self._missed + self._answered)
        status = Status.CHECK_FAILING if lags or loses else Status.OK
        report = Report(status, self._missed, round(1000 * self._longest))
        self._answered = self._missed = 0
        self._longest = 0.0
        return report
