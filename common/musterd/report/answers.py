"""These are the shapes of what ``musterd report --json`` prints; durations are seconds, days UTC."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class WrongAnswer(msgspec.Struct, frozen=True):
    """A ``WrongAnswer`` counts living members that a judge called down: how many, how often, how long.

    ``causes`` counts the times by cause.
    """

    members: int
    times: int
    seconds: float
    causes: dict[str, int]


class DeathsAnswer(msgspec.Struct, frozen=True):
    """A ``DeathsAnswer`` counts deaths, those that each judge found, and how much sooner musterd did.

    ``sooner`` has by rule the median, the least and the most seconds; negative: later.
    """

    count: int
    found: dict[str, int]
    sooner: dict[str, tuple[float, float, float]]


class DayAnswer(msgspec.Struct, frozen=True):
    """A ``DayAnswer`` is one day, or all of them: seconds watched, mistakes by judge, and deaths."""

    day: str
    watched: float
    judges: dict[str, WrongAnswer]
    deaths: DeathsAnswer


class WorstMember(msgspec.Struct, frozen=True):
    """A ``WorstMember`` is one that was often called down while it lived, by which judges and why."""

    member: str
    zone: str
    judges: dict[str, WrongAnswer]


class SpanAnswer(msgspec.Struct, frozen=True):
    """A ``SpanAnswer`` is a time in which nobody watched."""

    begin: datetime
    end: datetime


class AdviceAnswer(msgspec.Struct, frozen=True):
    """An ``AdviceAnswer`` is the least ``service_down_time`` by which a judge would not have erred.

    None: none that was tried. ``by_cause`` has it for the mistakes of each cause. ``later`` is by how
    many seconds deaths would be found later than with that in force.
    """

    judge: str
    in_force: float
    service_down_time: float | None
    later: float | None
    by_cause: dict[str, float]


class WatchedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A ``WatchedAnswer`` is what was recorded from ``begin`` to ``end``, and what came of it.

    ``settings`` are those in force at the end. ``notes`` say what of the trace is missing.
    """

    source: Sequence[str]
    begin: datetime
    end: datetime
    members: int
    judges: Sequence[str]
    settings: dict[str, float]
    days: Sequence[DayAnswer]
    total: DayAnswer
    worst: Sequence[WorstMember]
    unwatched: Sequence[SpanAnswer]
    notes: Sequence[str]


class ReportAnswer(WatchedAnswer, frozen=True, kw_only=True):
    """A ``ReportAnswer`` is the whole report.

    ``later`` counts, by judge, times that a member was called down which came back so late that it may
    have been restarted.
    """

    later: dict[str, int]
    advice: Sequence[AdviceAnswer]


class ReplayAnswer(WatchedAnswer, frozen=True, kw_only=True):
    """A ``ReplayAnswer`` is what musterd said, and what it would have with settings ``changed``."""

    changed: dict[str, float]
