"""A *spell* is a time for which a judge called a member dead. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from musterd.trace.recording import Said, Span


class Spell(NamedTuple):
    """A `Spell` lasted from ``begin`` to ``end``, in seconds of its run.

    ``age`` is how old the member's newest beat was when it began, by the judge's own reckoning, where
    that is known. ``is_over``: the judge took it back; else it lasted when the recording ended.
    """

    begin: float
    end: float
    age: float = 0.0
    is_over: bool = True


def spells_of(said: Iterable[Said], dead: str, until: float) -> list[Spell]:
    """Return the times for which ``said``, in order, had the word ``dead``; ``until`` when it ends."""
    spells, since = list[Spell](), None
    for each in said:
        if each.word == dead:
            since = since or each
        elif since is not None:
            spells.append(Spell(since.t, each.t, since.age))
            since = None
    if since is not None:
        spells.append(Spell(since.t, until, since.age, is_over=False))
    return spells


def clipped(span: Span, within: Span) -> Span | None:
    """Return what of ``span`` is ``within`` another one; None: nothing."""
    begin, end = max(span[0], within[0]), min(span[1], within[1])
    return (begin, end) if begin < end else None


def touches(spans: Sequence[Span], within: Span) -> bool:
    """Say whether any of ``spans``, which are as :func:`merged` has them, has a part ``within`` a time."""
    at = bisect_right(spans, within[0], key=lambda each: each[1])
    return at < len(spans) and spans[at][0] < within[1]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same times as ``spans``, in order, none of which touches another one."""
    apart = list[Span]()
    for begin, end in sorted(spans):
        if apart and begin <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((begin, end))
    return apart


def common(several: Sequence[Sequence[Span]]) -> list[Span]:
    """Return the times that are in each of ``several``; there are none in nothing."""
    shared = merged(several[0]) if several else []
    for spans in several[1:]:
        parts = (clipped(one, other) for one in shared for other in spans)
        shared = merged(part for part in parts if part is not None)
    return shared


def between(spans: Sequence[Span]) -> list[Span]:
    """Return the times between ``spans``, which are as :func:`merged` has them."""
    return [(one[1], other[0]) for one, other in pairwise(spans)]


def seconds_within(spans: Iterable[Span], within: Span) -> float:
    """Return how many seconds of ``spans`` are ``within`` another one."""
    found = (clipped(each, within) for each in spans)
    return sum(each[1] - each[0] for each in found if each is not None)
