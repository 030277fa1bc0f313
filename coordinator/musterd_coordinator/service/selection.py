"""Members are selected by what is asked of them: by columns first, then by names and words, in steps."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from musterd.model import Mark, State
from musterd_coordinator.judge.members import CODES, Code, Mask, Rows
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.steps import Steps

AT_ONCE = 2000  # members of which names or words are looked at in one step


class Filters(NamedTuple):
    """`Filters` are what is asked of members; None asks nothing.

    ``match`` is a part of the name, in capitals or not, and ``cause`` why it last changed.
    """

    state: State | None = None
    zone: str | None = None
    up: bool | None = None
    mark: Mark | None = None
    silent_for: float | None = None  # seconds of listening, or more
    match: str | None = None
    owner: str | None = None
    cause: str | None = None


NO_FILTERS = Filters()


def passing(view: RollView, group: str, filters: Filters) -> Steps[Rows]:
    """Return the rows of ``group`` that pass, in no order. Those that free up meanwhile may be there."""
    rows = _by_columns(view, group, filters)
    yield
    for name, ask in _ASK.items():
        value: str | None = getattr(filters, name)
        if value is None:
            continue
        those = [rows[:0]]
        for some in _portions(rows):
            those.append(ask(view, group, value, some))
            yield
        rows = np.concatenate(those)
    return rows


def _by_columns(view: RollView, group: str, filters: Filters) -> Rows:
    rows = view.rows_of(group)
    said = view.stated(rows)
    passes: Mask = said != Code.FREE
    if filters.state is not None:
        passes &= said == CODES[filters.state]
    if filters.up is not None:
        passes &= ((said == Code.UP) | (said == Code.SUSPECT)) == filters.up
    if filters.zone is not None:
        passes &= view.are_in(group, filters.zone, rows)
    if filters.mark is not None:
        passes &= view.are_marked(filters.mark, rows)
    if filters.silent_for is not None:
        passes &= view.silence(rows) >= filters.silent_for
    return rows[passes]


def _named(view: RollView, group: str, part: str, rows: Rows) -> Rows:
    here, names = view.names_in(group, rows)
    wanted = part.lower()
    return _where(here, (wanted in name.lower() for name in names))


def _owned(view: RollView, group: str, owner: str, rows: Rows) -> Rows:
    here, _ = view.names_in(group, rows)
    return _where(here, (view.effective(row).owner == owner for row in here.tolist()))


def _caused(view: RollView, group: str, cause: str, rows: Rows) -> Rows:
    return _where(rows, (view.cause(row) == cause for row in rows.tolist()))


def _where(rows: Rows, passes: Iterable[bool]) -> Rows:
    those: Rows = rows[np.fromiter(passes, np.bool_, len(rows))]
    return those


_ASK = {"match": _named, "owner": _owned, "cause": _caused}


def _portions(rows: Rows) -> Iterator[Rows]:
    return (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE))
