"""A page shows the members that pass by their columns, in the order that is asked for, in steps.

A page begins after the place of the last member of the page before, which is a name, or a number with a
name. So who joins or goes meanwhile moves nobody else from one page to another.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.model import NAME_LIMIT, SortKey, SortOrder
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.service.contract import BY_NAME, Ordering
from musterd_coordinator.service.selection import NO_FILTERS, Filters, passing
from musterd_coordinator.steps import Steps

FEW = 2000
"""Members that are sorted for one page; where more are left, the next ones by name come soon."""

AT_ONCE = 500  # names that are looked at in one step
_COMPARED = 100_000  # numbers that are compared in one step

_DIGITS = 17  # of microseconds, until the year 5138
_PLACE = re.compile(rf"(\d{{{_DIGITS}}}):(.*)")

PLACE_LIMIT = _DIGITS + 1 + NAME_LIMIT
"""Characters of the text of a place."""

_Numbers = NDArray[np.int64]


class Place(NamedTuple):
    """A `Place` is where a page begins: after this number, and after this name where they are the same.

    Names ascend where numbers are the same, whatever the order of these.
    """

    number: int
    name: str

    def __str__(self) -> str:
        return f"{self.number:0{_DIGITS}}:{self.name}"


def place_of(text: str) -> Place | None:
    """Return the place that ``text`` says; None if it says none."""
    read = _PLACE.fullmatch(text)
    return Place(int(read[1]), read[2]) if read else None


class FoundNames(NamedTuple):
    """A `FoundNames` is what was found; ``following`` is where the next page begins, None: there is none."""

    names: list[str]
    following: str | None


def chosen(
    view: RollView,
    group: str,
    filters: Filters,
    after: str,
    most: int,
    *,
    ordering: Ordering = BY_NAME,
    few: int = FEW,
) -> Steps[FoundNames]:
    """Return the first ``most`` members of ``group`` that pass, in order, from ``after`` on."""
    pages = _Pages(view, group, few)
    if ordering.sort is SortKey.NAME:
        names = yield from pages.by_name(filters, after, most + 1, ordering.order)
        return FoundNames(names[:most], names[most - 1] if len(names) > most else None)
    rows = yield from passing(view, group, filters)
    sign = _sign(ordering)
    numbers = sign * _instants(view, ordering.sort, rows)
    start = place_of(after)
    begin = None if start is None else Place(sign * start.number, start.name)
    places = yield from pages.by_number(rows, numbers, begin, most + 1)
    names = [place.name for place in places[:most]]
    if len(places) <= most:
        return FoundNames(names, None)
    last = places[most - 1]
    return FoundNames(names, str(Place(sign * last.number, last.name)))


def _sign(ordering: Ordering) -> int:
    """Return 1 where the earliest instant stands first: who is silent for longest was heard first."""
    ascending = (ordering.order is SortOrder.ASC) == (ordering.sort is SortKey.SINCE)
    return 1 if ascending else -1


def _instants(view: RollView, sort: SortKey, rows: Rows) -> _Numbers:
    seconds = view.since(rows) if sort is SortKey.SINCE else view.heard_at(rows)
    microseconds: _Numbers = np.clip(seconds * 1e6, 0, 10.0**_DIGITS - 1e6).astype(np.int64)
    return microseconds


class _Pages:
    """`_Pages` finds members of one group; at most ``few`` of them are sorted at once."""

    def __init__(self, view: RollView, group: str, few: int) -> None:
        self._view = view
        self._group = group
        self._few = few

    def by_name(
        self, filters: Filters, after: str, most: int, order: SortOrder
    ) -> Steps[list[str]]:
        """Return the first ``most`` names after ``after`` that pass."""
        if filters == NO_FILTERS:
            return (yield from self._next(after, most, order))
        rows = yield from passing(self._view, self._group, filters)
        return (yield from self._among(rows, after, most, order))

    def by_number(
        self, rows: Rows, numbers: _Numbers, begin: Place | None, most: int
    ) -> Steps[list[Place]]:
        """Return the first ``most`` of ``rows`` (n) after ``begin``, by their ``numbers`` (n) and names."""
        found = list[Place]()
        if begin is not None:
            same = rows[numbers == begin.number]
            found += yield from self._places(same, begin.number, begin.name, most)
            later = numbers > begin.number
            rows, numbers = rows[later], numbers[later]
        if (missing := most - len(found)) <= 0 or not len(rows):
            return found
        bound = yield from _nth(numbers, missing)
        below = numbers < bound
        found += self._sorted(rows[below], numbers[below])
        at_bound = rows[numbers == bound]
        return found + (yield from self._places(at_bound, bound, "", most - len(found)))

    def _places(self, rows: Rows, number: int, after: str, most: int) -> Steps[list[Place]]:
        names = yield from self._among(rows, after, most, SortOrder.ASC)
        return [Place(number, name) for name in names]

    def _sorted(self, rows: Rows, numbers: _Numbers) -> list[Place]:
        """Return the places of less than a page of members."""
        of_row = dict(zip(rows.tolist(), numbers.tolist(), strict=True))
        here, names = self._view.names_in(self._group, rows)
        return sorted(
            Place(of_row[row], name) for row, name in zip(here.tolist(), names, strict=True)
        )

    def _among(self, rows: Rows, after: str, most: int, order: SortOrder) -> Steps[list[str]]:
        """Return the first ``most`` names of those in ``rows`` after ``after``."""
        if not len(rows):
            return []
        if len(rows) > self._few:
            return (yield from self._walk(rows, after, most, order))
        yield
        _, found = self._view.names_in(self._group, rows)
        if order is SortOrder.ASC:
            return sorted(name for name in found if name > after)[:most]
        return sorted((name for name in found if not after or name < after), reverse=True)[:most]

    def _walk(self, rows: Rows, after: str, most: int, order: SortOrder) -> Steps[list[str]]:
        """Return :meth:`_among` where there are many: one name after the other."""
        passes = np.zeros(int(rows.max()) + 1, np.bool_)
        passes[rows] = True
        found: list[str] = []
        while len(found) < most and (names := (yield from self._next(after, AT_ONCE, order))):
            after = names[-1]
            at = self._view.rows(self._group, names)
            known = (at != NOBODY) & (at < len(passes))
            known[known] = passes[at[known]]
            found += [names[place] for place in np.flatnonzero(known).tolist()]
            yield
        return found[:most]

    def _next(self, name: str, most: int, order: SortOrder) -> Steps[list[str]]:
        ask = self._view.names_after if order is SortOrder.ASC else self._view.names_before
        return (yield from ask(self._group, name, most))


def _nth(numbers: _Numbers, place: int) -> Steps[int]:
    """Return the number that stands at ``place``, from 1, of all in order; the last where there are fewer."""
    least = [numbers[:0]]
    for at in range(0, len(numbers), _COMPARED):
        some = numbers[at : at + _COMPARED]
        least.append(np.partition(some, place - 1)[:place] if len(some) > place else some)
        yield
    together = np.concatenate(least)
    at = min(place, len(together)) - 1
    return int(np.partition(together, at)[at])
