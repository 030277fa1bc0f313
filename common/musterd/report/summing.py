"""What was assessed is summed up, by day and in all, by the wall clock of whoever recorded it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from statistics import median

from musterd.report.answers import DayAnswer, DeathsAnswer, SpanAnswer, WorstMember, WrongAnswer
from musterd.report.assessing import OURS, Assessment, Death, Mistake
from musterd.report.causes import Culprit
from musterd.report.spells import between, clipped, merged, seconds_within
from musterd.report.world import Who
from musterd.trace.recording import Span

DAY = 86400
WORST = 10
"""Members that are named."""

ALL = "all"
ALWAYS = (-inf, inf)


def within(made: Assessment, span: Span) -> Assessment:
    """Return what of an assessment is within ``span``, in seconds since 1970; cut off at its ends."""
    mistakes = ((each, clipped(each.span, span)) for each in made.mistakes)
    return Assessment(
        made.judges,
        [each._replace(span=part) for each, part in mistakes if part is not None],
        [each for each in made.deaths if span[0] <= each.last <= span[1]],
        [each for each in made.later if clipped(each[1], span)],
        *(_clipped_all(each, span) for each in (made.watched, made.deaf, made.doubted)),
    )


def _clipped_all(spans: Iterable[Span], within: Span) -> list[Span]:
    return [part for each in spans if (part := clipped(each, within)) is not None]


def days_in(span: Span) -> Iterator[Span]:
    """Yield the days, by UTC, of which ``span`` has a part; in seconds since 1970."""
    begin = span[0] // DAY * DAY
    while begin < span[1]:
        yield begin, begin + DAY
        begin += DAY


def day_of(made: Assessment, day: str, span: Span) -> DayAnswer:
    """Return what happened in ``span``, a time that is called ``day``."""
    return DayAnswer(
        day,
        round(seconds_within(merged(made.watched), span), 2),
        {judge: wrong_in(_of(made.mistakes, judge), span) for judge in made.judges},
        deaths_in(made.deaths, made.judges, span),
    )


def by_day(made: Assessment, span: Span) -> list[DayAnswer]:
    """Return each day of ``span`` that was watched for a part of it."""
    return [day_of(part, name_of(day), day) for day, part in day_parts(made, span)]


def day_parts(made: Assessment, span: Span) -> Iterator[tuple[Span, Assessment]]:
    """Yield each day of ``span`` that was watched, with all but the mistakes of other days."""
    by_begin = defaultdict[float, list[Mistake]](list)
    for each in made.mistakes:
        for day in days_in(each.span):
            by_begin[day[0]].append(each)
    for day in days_in(span):
        if seconds_within(made.watched, day):
            yield day, replace(made, mistakes=by_begin[day[0]])


def name_of(day: Span) -> str:
    """Return the date of a day."""
    return instant(day[0]).date().isoformat()


def instant(wall: float) -> datetime:
    """Return seconds since 1970 as an instant, to the second."""
    return datetime.fromtimestamp(round(wall), UTC)


def wrong_in(mistakes: Iterable[Mistake], span: Span) -> WrongAnswer:
    """Count mistakes in ``span``.

    A member and its seconds count for as far as a mistake is in it; how often and why, where it begins.
    """
    here = [(each, part) for each in mistakes if (part := clipped(each.span, span))]
    begun = [each for each, _ in here if span[0] <= each.span[0]]
    return WrongAnswer(
        len({each.member for each, _ in here}),
        len(begun),
        round(sum(part[1] - part[0] for _, part in here), 2),
        {each.value: count for each in Culprit if (count := _count(begun, each))},
    )


def _count(mistakes: Iterable[Mistake], culprit: Culprit) -> int:
    return sum(each.culprit is culprit for each in mistakes)


def _of(mistakes: Iterable[Mistake], judge: str) -> list[Mistake]:
    return [each for each in mistakes if each.judge == judge]


def deaths_in(deaths: Iterable[Death], judges: Iterable[str], span: Span) -> DeathsAnswer:
    """Count deaths of members that were heard last in ``span``."""
    here = [each for each in deaths if span[0] <= each.last < span[1]]
    return DeathsAnswer(
        len(here),
        {judge: sum(judge in each.found for each in here) for judge in judges},
        {judge: sooner for judge in judges if judge != OURS and (sooner := _sooner(here, judge))},
    )


def _sooner(deaths: Iterable[Death], judge: str) -> tuple[float, float, float] | None:
    """Return by how many seconds musterd found deaths sooner: median, least, most."""
    seconds = [
        round(each.found[judge] - each.found[OURS], 2)
        for each in deaths
        if judge in each.found and OURS in each.found
    ]
    return (round(median(seconds), 2), min(seconds), max(seconds)) if seconds else None


def worst_of(made: Assessment) -> list[WorstMember]:
    """Return the members that were wrongly called down for longest, the worst first."""
    theirs, seconds = defaultdict[Who, list[Mistake]](list), defaultdict[Who, float](float)
    for each in made.mistakes:
        theirs[each.member].append(each)
        seconds[each.member] += each.span[1] - each.span[0]
    return [
        WorstMember(
            who.name,
            who.zone,
            {judge: wrong_in(_of(theirs[who], judge), ALWAYS) for judge in made.judges},
        )
        for who in sorted(theirs, key=lambda who: (-seconds[who], who))[:WORST]
    ]


def later_in(made: Assessment) -> dict[str, int]:
    """Count, by judge, who came back so late that it may have been restarted."""
    return dict(Counter(judge for judge, _ in made.later))


def unwatched_in(watched: Sequence[Span], span: Span) -> list[SpanAnswer]:
    """Return the times in ``span`` between those that were ``watched``."""
    gaps = (clipped(each, span) for each in between(merged(watched)))
    return [SpanAnswer(instant(gap[0]), instant(gap[1])) for gap in gaps if gap is not None]
