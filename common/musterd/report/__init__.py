"""What Nova's rule and musterd said in a trace is held against who was alive, and summed up. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musterd.report.advice import Errs, advice_on
from musterd.report.answers import ReplayAnswer, ReportAnswer
from musterd.report.assessing import Assessment, Spells, assess, recorded
from musterd.report.summing import (
    ALL,
    by_day,
    day_of,
    instant,
    later_in,
    unwatched_in,
    within,
    worst_of,
)
from musterd.report.world import setting
from musterd.trace.reader import Trace
from musterd.trace.recording import Span, Stretch

__all__ = [
    "SETTINGS",
    "Assessment",
    "ReplayAnswer",
    "ReportAnswer",
    "assessed",
    "replay_on",
    "report_on",
    "span_of",
]

SETTINGS = ("service_down_time", "interval", "sweep_period", "storm_hold")
"""Those that are told."""

Judges = Callable[[Stretch], dict[str, Spells]]
"""Returns what each judge said in a stretch: :func:`recorded`, or that and what others would have."""


def span_of(trace: Trace, last: float | None = None) -> Span:
    """Return from when to when a trace goes, in seconds since 1970, or the ``last`` seconds of it."""
    begin = min(each.wall(each.first) for each in trace.stretches)
    end = max(each.wall(each.end) for each in trace.stretches)
    return (begin if last is None else max(begin, end - last)), end


def assessed(stretches: Sequence[Stretch], span: Span, judges: Judges = recorded) -> Assessment:
    """Return what came of all that was recorded in ``span``."""
    made = Assessment()
    for stretch in stretches:
        made.add(assess(stretch, judges(stretch)))
    return within(made, span)


def report_on(trace: Trace, span: Span, made: Assessment, errs: Errs) -> ReportAnswer:
    """Return the report on what was ``made`` of a trace in ``span``.

    ``errs`` says whether musterd would have erred with another ``service_down_time``. Raises ConfigError
    for a trace without the settings that were in force.
    """
    common = _common(trace, span, made)
    in_force = common["settings"]["service_down_time"]
    return ReportAnswer(
        **common, later=later_in(made), advice=list(advice_on(made, in_force, errs))
    )


def replay_on(
    trace: Trace, span: Span, made: Assessment, changed: Mapping[str, float]
) -> ReplayAnswer:
    """Return what was ``made`` of a trace and of its replay, with settings that were ``changed``."""
    return ReplayAnswer(**_common(trace, span, made), changed=dict(changed))


def _common(trace: Trace, span: Span, made: Assessment) -> dict[str, Any]:
    newest = trace.stretches[-1].header
    return {
        "source": sorted({each.header.source for each in trace.stretches}),
        "begin": instant(span[0]),
        "end": instant(span[1]),
        "members": _count(trace),
        "judges": made.judges,
        "settings": {each: setting(newest, each) for each in SETTINGS},
        "days": by_day(made, span),
        "total": day_of(made, ALL, span),
        "worst": worst_of(made),
        "unwatched": unwatched_in(made.watched, span),
        "notes": trace.notes,
    }


def _count(trace: Trace) -> int:
    """Return how many members there were, by name, in all runs."""
    return len({(m.group, m.name) for each in trace.stretches for m in each.members.values()})
