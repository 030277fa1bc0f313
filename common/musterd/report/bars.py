"""Mistakes become bars of a drawing: few enough to draw, however many there were. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from musterd.report.assessing import Mistake
from musterd.report.causes import Culprit
from musterd.report.spells import clipped
from musterd.trace.recording import Span


class Bar(NamedTuple):
    """A `Bar` stands for mistakes of one cause that lie together: of how many ``members``, how often.

    ``most`` is how many members were called down at the same time, at most.
    """

    span: Span
    culprit: Culprit
    members: int
    times: int
    most: int


def bars_of(mistakes: Iterable[Mistake], within: Span, apart: float) -> list[Bar]:
    """Return the bars for what of ``mistakes`` is ``within`` a time.

    Mistakes of one cause that are less than ``apart`` seconds from each other share one.
    """
    bars = list[Bar]()
    here = [each for each in mistakes if clipped(each.span, within)]
    for culprit in Culprit:
        theirs = [each for each in here if each.culprit is culprit]
        bars += [_bar(some, culprit, within) for some in _together(theirs, apart)]
    return sorted(bars)


def _together(mistakes: Iterable[Mistake], apart: float) -> Iterable[Sequence[Mistake]]:
    """Yield mistakes that lie together, in order."""
    some, end = list[Mistake](), 0.0
    for each in sorted(mistakes, key=lambda each: each.span):
        if some and each.span[0] > end + apart:
            yield some
            some = []
        end = max(end, each.span[1]) if some else each.span[1]
        some.append(each)
    if some:
        yield some


def _bar(some: Sequence[Mistake], culprit: Culprit, within: Span) -> Bar:
    span = min(each.span[0] for each in some), max(each.span[1] for each in some)
    members = len({each.member for each in some})
    inside = clipped(span, within)
    assert inside is not None  # each of them is
    return Bar(inside, culprit, members, len(some), most_at_once(each.span for each in some))


def most_at_once(spans: Iterable[Span]) -> int:
    """Return how many of ``spans`` there are at the same time, at most."""
    turns = sorted(turn for begin, end in spans for turn in ((end, -1), (begin, 1)))
    most = now = 0
    for _, step in turns:
        now += step
        most = max(most, now)
    return most
