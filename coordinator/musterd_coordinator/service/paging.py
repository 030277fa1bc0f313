"""Which members a page shows: by their columns, and by name, in steps."""

from typing import NamedTuple

import numpy as np

from musterd.model import Mark, State
from musterd_coordinator.judge.members import CODES, Code, Mask, Rows
from musterd_coordinator.roll.names import NOBODY, Group
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.verdicts import marked, stated
from musterd_coordinator.steps import Steps

FEW = 2000
"""Members that are sorted for one page; where more are left, the next ones by name come soon."""

AT_ONCE = 500  # names that are looked at in one step


class Filters(NamedTuple):
    """What is asked of members; None asks nothing."""

    state: State | None = None
    zone: str | None = None
    up: bool | None = None
    mark: Mark | None = None


NO_FILTERS = Filters()


def chosen(
    roll: Roll, group: Group, filters: Filters, after: str, most: int, *, few: int = FEW
) -> Steps[list[str]]:
    """The first ``most`` names of ``group`` greater than ``after`` that pass, in order."""
    if filters == NO_FILTERS:
        names = yield from roll.directory.in_order(group)
        return [name.decode() for name in names.after(after.encode(), most)]
    rows = _passing(roll, group, filters)
    if len(rows) <= few:
        yield
        _, found = roll.directory.names_of(group, rows)
        return sorted(name for name in found if name > after)[:most]
    return (yield from _walk(roll, group, rows, after, most))


def _walk(roll: Roll, group: Group, rows: Rows, after: str, most: int) -> Steps[list[str]]:
    """The same where many pass: one name after the other."""
    yield from roll.directory.in_order(group)
    passes = np.zeros(int(rows.max()) + 1, np.bool_)
    passes[rows] = True
    found: list[str] = []
    last = after.encode()
    while group.sorted and len(found) < most and (some := group.sorted.after(last, AT_ONCE)):
        names, last = [name.decode() for name in some], some[-1]
        at = roll.directory.rows(group.name, names)
        known = (at != NOBODY) & (at < len(passes))
        known[known] = passes[at[known]]
        found += [names[place] for place in np.flatnonzero(known).tolist()]
        yield
    return found[:most]


def _passing(roll: Roll, group: Group, filters: Filters) -> Rows:
    """The rows of ``group`` that pass."""
    members = roll.detector.members
    rows = np.array(group.rows, np.int64)
    passes: Mask = members.state[rows] != Code.FREE
    said = stated(members.state[rows], members.orders[rows])
    if filters.state is not None:
        passes &= said == CODES[filters.state]
    if filters.up is not None:
        passes &= ((said == Code.UP) | (said == Code.SUSPECT)) == filters.up
    if filters.zone is not None:
        zone = roll.directory.zones.number((group.name, filters.zone))
        passes &= members.zone[rows] == (NOBODY if zone is None else zone)
    if filters.mark is not None:
        conflict = roll.detector.conflicts(rows)
        passes &= marked(filters.mark, members.status[rows], members.orders[rows], conflict)
    return rows[passes]
