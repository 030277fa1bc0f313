"""The module adds up events in columns to a byte for each member, and counts them by zone: no I/O."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from musterd.answers import Columns, EventCells
from musterd.client.statusview import StatusView
from musterd.client.view import MEMBERS_LIMIT, Event
from musterd.errors import CoordinatorError
from musterd.model import State

_columns = msgspec.json.Decoder(Columns).decode
_cells = msgspec.json.Decoder(EventCells).decode

STATES = (State.UNKNOWN, State.UP, State.SUSPECT, State.DOWN, State.LEFT)
"""States by the lowest three bits of a cell."""

_STATE_BITS = 7
_STATE_OF = bytes(cell & _STATE_BITS for cell in range(256))
_FORCED_DOWN = bytes(cell & 16 for cell in range(256))


class ZoneCount(NamedTuple):
    """A ``ZoneCount`` says how many members of a zone are in each state, and how many are forced down."""

    group: str
    zone: str
    members: int
    states: dict[State, int]
    forced_down: int


class ColumnView(StatusView):
    """A ``ColumnView`` has what a StatusView has, and a cell for each member of ``group``, or of all."""

    def __init__(self, group: str | None = None, *, limit: int = MEMBERS_LIMIT) -> None:
        super().__init__(group)
        self._limit = limit
        self._columns: Columns | None = None
        self._cells: dict[str, bytearray] = {}

    @property
    def whole(self) -> bool:
        """Say whether all was told once."""
        return super().whole and self._columns is not None

    def zones(self) -> Iterator[ZoneCount]:
        """Yield all zones, by group and name."""
        for group in () if self._columns is None else self._columns.groups:
            cells, begin = bytes(self._cells[group.group]), 0
            states, forced = cells.translate(_STATE_OF), cells.translate(_FORCED_DOWN)
            for zone in group.zones:
                end = begin + zone.members
                counts = {
                    state: states.count(code, begin, end) for code, state in enumerate(STATES)
                }
                down = zone.members - forced.count(0, begin, end)
                yield ZoneCount(group.group, zone.zone, zone.members, counts, down)
                begin = end

    def _apply(self, event: Event) -> None:
        super()._apply(event)
        if event.name == "columns":
            self._take_columns(_columns(event.data))
        elif event.name == "cells":
            self._take_cells(_cells(event.data))

    def _take_columns(self, columns: Columns) -> None:
        for group in columns.groups:
            if sum(zone.members for zone in group.zones) != len(group.cells):
                raise CoordinatorError(f"columns of {group.group} that do not fit its zones")
        if sum(len(group.cells) for group in columns.groups) > self._limit:
            raise CoordinatorError(f"more than {self._limit} members")
        self._columns = columns
        self._cells = {group.group: bytearray(group.cells) for group in columns.groups}

    def _take_cells(self, told: EventCells) -> None:
        if self._columns is None or told.layout != self._columns.layout:
            return  # columns of that layout come, with all of this in them
        for group, changed in told.cells.items():
            cells = self._cells.get(group, bytearray())
            for ordinal, cell in changed:
                if not 0 <= ordinal < len(cells) or not 0 <= cell < len(_STATE_OF):
                    raise CoordinatorError(f"a cell of {group} that is nobody's: {ordinal}")
                cells[ordinal] = cell
