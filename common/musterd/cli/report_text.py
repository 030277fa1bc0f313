"""What ``musterd report`` says, and what a replay comes to, for people: tables of at most 100 columns."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

from musterd.cli import render
from musterd.report.answers import (
    AdviceAnswer,
    DayAnswer,
    ReplayAnswer,
    ReportAnswer,
    WatchedAnswer,
    WorstMember,
    WrongAnswer,
)
from musterd.report.causes import Culprit
from musterd.report.words import (
    advice_words,
    deaths_lines,
    duration,
    later_lines,
    named,
    period_words,
    settings_words,
)

WIDTH = 100
"""Columns that all of it fits into."""

_SHOWN = 10
"""Times not watched, of which each has a line."""

_HEADERS = ("DAY", "WATCHED", "WHO", "MEMBERS", "TIMES", "FOR")
_CAUSES = tuple(each.value for each in Culprit)


def text(report: ReportAnswer) -> str:
    """Return the report for people."""
    parts = [
        _head(report),
        "living members that were called down, and why:",
        days_table([*report.days, report.total], report.judges),
        *deaths_lines(report.total.deaths, report.judges),
        *later_lines(report.later),
        *_worst(report.worst),
        _unwatched(report),
        "\n".join(_advice_lines(report.advice)),
        *(f"note: {note}" for note in report.notes),
    ]
    return "\n\n".join(map(_wrapped, parts))


def replay_text(replay: ReplayAnswer) -> str:
    """Return what came of a replay, for people."""
    changed = settings_words(replay.changed)
    parts = [
        _head(replay),
        f"replayed with {changed or 'the same settings'}; living members that were called down, and why:",
        days_table([*replay.days, replay.total], replay.judges),
        *deaths_lines(replay.total.deaths, replay.judges),
        *_worst(replay.worst),
        _unwatched(replay),
        *(f"note: {note}" for note in replay.notes),
    ]
    return "\n\n".join(map(_wrapped, parts))


def _wrapped(part: str) -> str:
    """Return a sentence in lines that fit; a table stays as it is."""
    return part if "\n" in part else fill(part, WIDTH)


def _head(report: WatchedAnswer) -> str:
    return render.facts(
        [
            ("trace", f"{' and '.join(report.source)}, {period_words(report)}"),
            ("members", f"{report.members:,}"),
            ("settings", settings_words(report.settings)),
        ]
    )


def days_table(days: Iterable[DayAnswer], judges: Sequence[str]) -> str:
    """Return a line for each day and judge: members, times, how long, and the times by cause."""
    rows = [row for day in days for row in _day_rows(day, judges)]
    return render.table((*_HEADERS, *map(str.upper, _CAUSES)), rows, "nothing was watched")


def _day_rows(day: DayAnswer, judges: Sequence[str]) -> Iterator[Sequence[object]]:
    first: tuple[str, str] = day.day, duration(day.watched)
    for judge in judges:
        yield (*first, named(judge), *_cells(day.judges[judge]))
        first = "", ""


def _cells(wrong: WrongAnswer) -> Sequence[object]:
    causes = (wrong.causes.get(cause, 0) or "-" for cause in _CAUSES)
    return wrong.members, wrong.times, duration(wrong.seconds), *causes


def _worst(worst: Sequence[WorstMember]) -> Iterator[str]:
    if worst:
        rows = [row for member in worst for row in _worst_rows(member)]
        yield render.table(("WORST MEMBERS", "ZONE", "WHO", "TIMES", "FOR", "CAUSE"), rows)


def _worst_rows(member: WorstMember) -> Iterator[Sequence[object]]:
    for judge, wrong in member.judges.items():
        if wrong.times:
            causes = ", ".join(wrong.causes)
            yield (
                *(member.member, member.zone or "-", named(judge)),
                *(wrong.times, duration(wrong.seconds), causes),
            )


def _unwatched(report: WatchedAnswer) -> str:
    if not report.unwatched:
        return "watched: all of that time"
    lines = [
        f"not watched: {render.moment(each.begin)} to {render.moment(each.end)}"
        f" ({duration((each.end - each.begin).total_seconds())})"
        for each in report.unwatched[:_SHOWN]
    ]
    if len(report.unwatched) > _SHOWN:
        lines.append(f"and {len(report.unwatched) - _SHOWN} times more")
    return "\n".join(lines)


def _advice_lines(advice: Iterable[AdviceAnswer]) -> Iterator[str]:
    yield "settings under which none would have erred:"
    for each in advice:
        yield f"  {named(each.judge) + ':':<11} {advice_words(each)}"
        if len(each.by_cause) > 1:
            causes = ", ".join(f"{cause} {needed:g}" for cause, needed in each.by_cause.items())
            yield f"  {'':<11} (for each cause by itself: {causes})"
