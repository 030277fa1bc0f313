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
_NARROW = 16  # a column of sentences narrower than this is no help


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

    Sentences are wrapped at ``width`` columns, or at those of the terminal that it goes to.
    """
    from tabulate import tabulate

    rows = list(rows)
    if not rows:
        return empty
    texts = [[str(cell) for cell in row] for row in rows]
    widths = _column_limits([list(headers), *texts], width or terminal_width())
    text = tabulate(texts, headers, tablefmt="plain", disable_numparse=True, maxcolwidths=widths)
    return "\n".join(line.rstrip() for line in text.splitlines())


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _column_limits(rows: Sequence[Sequence[str]], width: int | None) -> list[int | None] | None:
    """Return where to wrap the last column, which has sentences, so that it fits; None: nowhere.

    Names are never broken: they are there to be copied.
    """
    if width is None:
        return None
    columns = [
        max(len(_COLOUR.sub("", cell)) for cell in column) for column in zip(*rows, strict=True)
    ]
    left = width - sum(columns[:-1]) - _GAP * (len(columns) - 1)
    if columns[-1] <= left or left < _NARROW:
        return None
    return [*[None] * (len(columns) - 1), left]


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
