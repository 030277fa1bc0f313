"""A day is drawn as a strip of SVG: a lane for each judge, with what it got wrong, and what was the matter.

Nothing in it is from elsewhere, and nothing has a style of its own: colours are those of ``page.css``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from math import sqrt

from musterd.report.assessing import Assessment, Death
from musterd.report.bars import Bar, bars_of, most_at_once
from musterd.report.spells import between, clipped, merged
from musterd.report.summing import DAY
from musterd.trace.recording import Span

LEFT, WIDTH, RIGHT = 104, 792, 104
"""Units of a strip for names, for 24 hours, and for sums."""

LANE, TROUBLE, AXIS = 30, 10, 16
"""The heights of a lane, of the line of troubles, and of the axis."""

NARROWEST, LOWEST = 2.0, 5.0
"""Units: no bar is narrower or lower, for it would not be seen."""

_APART = DAY / WIDTH * NARROWEST
_HOURS = range(0, 25, 3)


def tallest_of(made: Assessment) -> int:
    """Return how many members a judge called down at the same time, at most: what the highest bar is."""
    return max(
        most_at_once(m.span for m in made.mistakes if m.judge == judge) for judge in made.judges
    )


def strip(
    made: Assessment, day: Span, names: Mapping[str, str], sums: Mapping[str, str], tallest: int
) -> str:
    """Return the drawing of one ``day``; by judge, ``names`` and ``sums`` are what stands beside its lane.

    A bar for ``tallest`` members is as high as a lane, and others less by the root.
    """
    bottom = LANE * len(made.judges)
    height = bottom + TROUBLE + AXIS
    parts = [
        f'<svg viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img" aria-label="{_date(day)}">',
        *_hours(bottom + TROUBLE, height),
    ]
    for number, judge in enumerate(made.judges):
        top = number * LANE
        parts += _lane(top, names[judge], sums[judge])
        theirs = bars_of((m for m in made.mistakes if m.judge == judge), day, _APART)
        parts += (_bar(bar, day, top, tallest) for bar in theirs)
        parts += _deaths(made.deaths, judge, day, top)
    parts += _troubles(made, day, bottom)
    parts += _blanks(made.watched, day, bottom + TROUBLE)
    return "\n".join([*parts, "</svg>"])


def _lane(top: float, name: str, told: str) -> Iterator[str]:
    middle = top + LANE / 2 + 4
    yield f'<rect class="lane" x="{LEFT}" y="{top + 2}" width="{WIDTH}" height="{LANE - 4}" rx="3"/>'
    yield f'<text class="who" x="{LEFT - 8}" y="{middle}">{escape(name)}</text>'
    yield f'<text class="sum" x="{LEFT + WIDTH + 8}" y="{middle}">{escape(told)}</text>'


def _hours(top: float, bottom: float) -> Iterator[str]:
    for hour in _HOURS:
        x = LEFT + WIDTH * hour / 24
        yield f'<line class="hour" x1="{x:g}" y1="0" x2="{x:g}" y2="{top}"/>'
        yield f'<text class="tick" x="{x:g}" y="{bottom - 4}">{hour:02}</text>'


def _bar(bar: Bar, day: Span, top: float, tallest: int) -> str:
    height = max(LOWEST, (LANE - 6) * sqrt(min(1.0, bar.most / tallest)))
    x, width = _across(bar.span, day)
    words = (
        f"{_clock(bar.span)}: {bar.members} living called down, {bar.times} times,"
        f" up to {bar.most} at once ({bar.culprit.value})"
    )
    y = top + LANE - 3 - height
    return _rect(f"bar {bar.culprit.value}", x, y, width, height, words)


def _deaths(deaths: Iterable[Death], judge: str, day: Span, top: float) -> Iterator[str]:
    """Yield a mark for each death that a judge found on that day."""
    for death in deaths:
        found = death.found.get(judge)
        if found is None or not day[0] <= found < day[1]:
            continue
        x, y = LEFT + WIDTH * (found - day[0]) / DAY, top + 3
        words = f"{death.member.name} died; found after {found - death.last:.0f} s"
        yield (
            f'<path class="death" d="M{x - 4:.1f} {y}h8l-4 7z"><title>{escape(words)}</title></path>'
        )


def _troubles(made: Assessment, day: Span, top: float) -> Iterator[str]:
    yield f'<text class="who" x="{LEFT - 8}" y="{top + TROUBLE - 1}">listening</text>'
    yield f'<rect class="lane" x="{LEFT}" y="{top + 3}" width="{WIDTH}" height="{TROUBLE - 6}"/>'
    for name, spans in (("deaf", made.deaf), ("doubt", made.doubted)):
        words = "not listened to" if name == "deaf" else "storm, or herd in doubt"
        for part in _parts(spans, day):
            x, width = _across(part, day)
            yield _rect(name, x, top + 2, width, TROUBLE - 4, f"{_clock(part)}: {words}")


def _blanks(watched: Sequence[Span], day: Span, height: float) -> Iterator[str]:
    """Yield what covers the times that nobody watched."""
    outside = [(day[0] - DAY, day[0]), (day[1], day[1] + DAY)]
    for gap in _parts(between(merged([*outside, *_parts(watched, day)])), day):
        x, width = _across(gap, day)
        yield _rect("blank", x, 0, width, height, f"{_clock(gap)}: not watched")


def _parts(spans: Sequence[Span], day: Span) -> list[Span]:
    return [part for each in merged(spans) if (part := clipped(each, day)) is not None]


def _across(span: Span, day: Span) -> tuple[float, float]:
    """Return where a time of the day begins, and how wide it is."""
    x = LEFT + WIDTH * (span[0] - day[0]) / DAY
    return x, max(NARROWEST, WIDTH * (span[1] - span[0]) / DAY)


def _rect(name: str, x: float, y: float, width: float, height: float, words: str) -> str:
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}"><title>{escape(words)}</title></rect>'
    )


def _clock(span: Span) -> str:
    begin, end = (datetime.fromtimestamp(each, UTC) for each in span)
    return f"{begin:%H:%M:%S} to {end:%H:%M:%S}"


def _date(day: Span) -> str:
    return datetime.fromtimestamp(day[0], UTC).date().isoformat()
