"""Answers become text: tables, ages, and states in colour where a terminal welcomes it."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TextIO

from musterd.answers import MemberAnswer, MemberChange
from musterd.model import Mark, State
from musterd.terminal import may_colour

_COLOURS = {"green": 32, "yellow": 33, "red": 31, "grey": 90}
_STATE_COLOURS = {
    State.UP: "green",
    State.SUSPECT: "yellow",
    State.DOWN: "red",
    State.LEFT: "grey",
    State.UNKNOWN: "grey",
}


_COLOUR = re.compile(r"\x1b\[\d+m")
_GAP = 2  # between two columns
_PADDING = 2  # that tabulate leaves beside a header, at least
_NARROW = 16  # a column of sentences narrower than this is no help
_READABLE = 28  # columns that sentences are left before anything else is wrapped


class Paint(Protocol):
    """A ``Paint`` puts ``text`` in a colour, or leaves it alone."""

    def __call__(self, text: str, colour: str) -> str: ...


def plain(text: str, colour: str) -> str:
    """Return ``text`` as it is."""
    return text


def coloured(text: str, colour: str) -> str:
    """Return ``text`` in an ANSI colour."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def paint(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> Paint:
    """Return :func:`coloured` if ``stream`` (standard output) welcomes it, else :func:`plain`."""
    return coloured if may_colour(stream or sys.stdout, environ) else plain


def state_count(state: State, number: int, paint: Paint) -> str:
    """Return how many members are in a state, in its colour if that is of interest."""
    told = number and state not in (State.UP, State.LEFT)
    return paint(str(number), _STATE_COLOURS[state]) if told else str(number)


def state_text(state: State, paint: Paint) -> str:
    """Return a state in its colour."""
    return paint(state.value, _STATE_COLOURS[state])


def stated(member: MemberAnswer, paint: Paint) -> str:
    """Return a member's state, marked as the operator's word where that forced it down."""
    text = state_text(member.state, paint)
    return f"{text} (forced)" if member.forced_down else text


def count(number: int, what: str) -> str:
    """Count in words: ``1 group``, ``2 groups``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def condition_text(words: str, paint: Paint) -> str:
    """Return ``down, disabled`` with its state in colour; other words stay as they are."""
    first, comma, rest = words.partition(",")
    known = first in [state.value for state in State]
    return f"{state_text(State(first), paint) if known else first}{comma}{rest}"


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    empty: str = "none",
    *,
    width: int | None = None,
) -> str:
    """Return rows under their headers, in columns; ``empty`` where there are no rows.

    Where they are wider than ``width``, or the terminal that it goes to, they are wrapped between words:
    first the last column, which has sentences. No word is broken: names are there to be copied.
    """
    from tabulate import tabulate

    rows = list(rows)
    if not rows:
        return empty
    texts = [[str(cell) for cell in row] for row in rows]
    widths = _column_limits(headers, texts, width or terminal_width())
    text = tabulate(
        *(texts, headers),
        tablefmt="plain",
        disable_numparse=True,
        maxcolwidths=widths,
        maxheadercolwidths=widths,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _column_limits(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> list[int] | None:
    """Return how wide columns are so that all fit; None: as wide as they like, as they do, or cannot."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(_PADDING + _width(header), *map(_width, cells)) for header, *cells in columns]
    more = sum(widths) + _GAP * (len(widths) - 1) - (width or 0)
    if width is None or more <= 0:
        return None
    least = [  # no word is broken
        max(
            *(_PADDING + _width(word) for word in header.split()),
            *(_width(word) for cell in cells for word in cell.split()),
            1,
        )
        for header, *cells in columns
    ]
    *others, last = range(len(columns))
    more = _shrink(widths, [last], [max(least[last], _READABLE)], more)
    more = _shrink(widths, others, [least[at] for at in others], more)
    enough = min(widths[last], _NARROW)
    more = _shrink(widths, [last], [max(least[last], enough)], more)
    return None if more else widths


def _shrink(widths: list[int], places: Sequence[int], least: Sequence[int], more: int) -> int:
    """Take ``more`` from ``widths`` at ``places``, always from the widest; return what is left to take."""
    bounds = dict(zip(places, least, strict=True))
    while more > 0:
        wide = [at for at in places if widths[at] > bounds[at]]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
        more -= 1
    return max(more, 0)


def _width(text: str) -> int:
    return len(_COLOUR.sub("", text))


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values, one pair a line, the values in a column."""
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name + ':':<{width + 1}} {value}".rstrip() for name, value in pairs)


def age(seconds: float | None) -> str:
    """Return a duration as people say it: ``4 s``, ``12 min``, ``3 h``, ``5 d``; ``-`` for None."""
    if seconds is None:
        return "-"
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{max(seconds, 0) / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"


def since(instant: datetime, now: datetime) -> str:
    """Say how long ago ``instant`` was, by the clock of whoever reads this."""
    return age((now - instant).total_seconds())


def now() -> datetime:
    """Return the present, for ages on a screen."""
    return datetime.now(UTC)


def moment(instant: datetime) -> str:
    """Return an instant in UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def marks(member: MemberAnswer | MemberChange) -> list[str]:
    """Return what else an operator must know of a member, besides its state."""
    told = []
    if Mark.FORCED_DOWN in member.marks:
        told.append(_with_reason("forced down", member.forced_down_reason))
    if Mark.DISABLED in member.marks:
        told.append(_with_reason("disabled", member.disabled_reason))
    if Mark.DRAINING in member.marks:
        told.append("draining")
    if Mark.CHECK_FAILING in member.marks:
        told.append("its own check fails")
    if Mark.CONFLICT in member.marks:
        told.append(member.conflict_reason or "conflict")
    return told


def _with_reason(word: str, reason: str) -> str:
    return f"{word}: {reason}" if reason else word
