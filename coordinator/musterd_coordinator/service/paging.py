"""A page shows the members that pass by their columns, by name, and is made in steps."""

from typing import NamedTuple

import numpy as np

from musterd.model import Mark, State
from musterd_coordinator.judge.members import CODES, Code, Mask, Rows
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.steps import Steps

FEW = 2000
"""Members that are sorted for one page; where more are left, the next ones by name come soon."""

AT_ONCE = 500  # names that are looked at in one step


class Filters(NamedTuple):
    """`Filters` are what is asked of members; None asks nothing."""

    state: State | None = None
    zone: str | None = None
    up: bool | None = None
    mark: Mark | None = None
    silent_for: float | None = None  # seconds of listening, or more


NO_FILTERS = Filters()


def chosen(
    view: RollView, group: str, filters: Filters, after: str, most: int, *, few: int = FEW
) -> Steps[list[str]]:
    """Return the first ``most`` names of ``group`` greater than ``after`` that pass, in order."""
    if filters == NO_FILTERS:
        return (yield from view.names_after(group, after, most))
    rows = _passing(view, group, filters)
    if len(rows) <= few:
        yield
        _, found = view.names_in(group, rows)
        return sorted(name for name in found if name > after)[:most]
    return (yield from _walk(view, group, rows, after, most))


def _walk(view: RollView, group: str, rows: Rows, after: str, most: int) -> Steps[list[str]]:
    """Return :func:`chosen` where many pass: one name after the other."""
    passes = np.zeros(int(rows.max()) + 1, np.bool_)
    passes[rows] = True
    found: list[str] = []
    while len(found) < most and (names := (yield from view.names_after(group, after, AT_ONCE))):
        after = names[-1]
        at = view.rows(group, names)
        known = (at != NOBODY) & (at < len(passes))
        known[known] = passes[at[known]]
        found += [names[place] for place in np.flatnonzero(known).tolist()]
        yield
    return found[:most]


def _passing(view: RollView, group: str, filters: Filters) -> Rows:
    """Return the rows of ``group`` that pass."""
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
