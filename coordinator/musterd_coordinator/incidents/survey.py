"""The survey counts the members that something is the matter with, by zone, in steps."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from musterd.incidents import IncidentKind
from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.incidents.troubles import Trouble, began, troubles
from musterd_coordinator.judge.members import Rows, Seconds, slices
from musterd_coordinator.roll.shard import ShardHealth
from musterd_coordinator.roll.surveyed import SurveyedRows
from musterd_coordinator.steps import Steps

FEW = 3
"""Members that a sighting names."""

UNHEARD_FOR = 5.0
"""Seconds after which members that are heard nowhere are told of: one sweep may always fail."""

_AT_ONCE = 100  # sightings in one step

_KINDS = {
    Trouble.UNHEARD: IncidentKind.UNHEARD,
    Trouble.CHECK: IncidentKind.FAILING_CHECKS,
    Trouble.CONFLICT: IncidentKind.CONFLICT,
    Trouble.FORCED: IncidentKind.FORCED_DOWN,
}
"""What is told alone; who is suspect and who is dead in a zone are told together."""


def survey(rows: SurveyedRows, shards: Sequence[ShardHealth]) -> Steps[list[Sighting]]:
    """Return what is found among all members: each that something is the matter with is in one sighting.

    A member that changes meanwhile is counted as it was when it was looked at.
    """
    listening = np.array([shard.listening for shard in shards], np.bool_)
    changed = np.array([shard.since for shard in shards], np.float64)
    table = _Table(rows.zones)
    for among in slices(rows.size):
        columns = rows.columns(among)
        found = troubles(columns, listening)
        if found.any():
            since = began(columns, found, listening, changed)
            table.add(among.start, found, columns.zone, since)
        yield
    return (yield from _sightings(table, rows))


class _Table:
    """A `_Table` has a cell for each trouble and zone: how many, since when, and a few of them."""

    def __init__(self, zones: int) -> None:
        self.zones, cells = zones, len(Trouble) * zones
        self.counts = np.zeros(cells, np.int64)
        self.since = np.full(cells, np.inf)
        self.newest = np.full(cells, -np.inf)
        self.first = np.full((FEW, cells), -1, np.int64)

    def add(
        self, begin: int, found: NDArray[np.uint8], zone: NDArray[np.int32], since: Seconds
    ) -> None:
        """Add the members from row ``begin`` on (n), whose troubles are ``found``."""
        some = np.flatnonzero(found)
        some = some[zone[some] < self.zones]  # a zone that came meanwhile is told next time
        cells = found[some].astype(np.int64) * self.zones + zone[some]
        self.counts += np.bincount(cells, minlength=len(self.counts))
        known = ~np.isnan(since[some])
        np.minimum.at(self.since, cells[known], since[some][known])
        np.maximum.at(self.newest, cells[known], since[some][known])
        self._name(cells, begin + some)

    def _name(self, cells: Rows, rows: Rows) -> None:
        """Note the first few rows of each cell; both are (n), and the rows ascend."""
        for taken in self.first:
            lacking = self.first[-1][cells] < 0
            cells, rows = cells[lacking], rows[lacking]
            free = taken[cells] < 0
            taken[cells[free][::-1]] = rows[free][::-1]  # of each cell the last assigned: its first
            rest = taken[cells] != rows
            cells, rows = cells[rest], rows[rest]

    def cell(self, trouble: Trouble, zone: int) -> int:
        """Return the number of a cell."""
        return trouble * self.zones + zone


def _sightings(table: _Table, rows: SurveyedRows) -> Steps[list[Sighting]]:
    by_trouble = table.counts.reshape(len(Trouble), table.zones)
    silent = by_trouble[[Trouble.SUSPECT, Trouble.DEAD]].any(axis=0)
    make = partial(_sighting, table, rows)
    found: list[Sighting] = []
    for at, zone in enumerate(np.flatnonzero(silent).tolist()):
        found.append(make(_kind_of(table, zone), (Trouble.SUSPECT, Trouble.DEAD), zone))
        if at % _AT_ONCE == _AT_ONCE - 1:
            yield
    for trouble, kind in _KINDS.items():
        for at, zone in enumerate(np.flatnonzero(by_trouble[trouble]).tolist()):
            found.append(make(kind, (trouble,), zone))
            if at % _AT_ONCE == _AT_ONCE - 1:
                yield
    return found


def _kind_of(table: _Table, zone: int) -> IncidentKind:
    suspects = table.counts.item(table.cell(Trouble.SUSPECT, zone))
    return IncidentKind.MASS_SILENCE if suspects else IncidentKind.DEATHS


def _sighting(
    table: _Table, rows: SurveyedRows, kind: IncidentKind, of: Sequence[Trouble], zone: int
) -> Sighting:
    cells = [table.cell(trouble, zone) for trouble in of]
    group, name = rows.zone(zone)
    return Sighting(
        kind,
        group,
        name,
        count=int(table.counts[cells].sum()),
        suspect=table.counts.item(cells[0]) if of[0] is Trouble.SUSPECT else 0,
        members=tuple(sorted(_names(table.first[:, cells].T.ravel(), rows))),
        since=_known(table.since[cells].min()),
        newest=_known(table.newest[cells].max()),
        patience=UNHEARD_FOR if kind is IncidentKind.UNHEARD else 0.0,
    )


def _names(first: Rows, rows: SurveyedRows) -> Iterator[str]:
    named = (rows.name(row) for row in first[first >= 0][:FEW].tolist())
    return (name for name in named if name is not None)


def _known(seconds: np.float64) -> float | None:
    return float(seconds) if isfinite(seconds) else None
