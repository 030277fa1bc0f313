"""The module has what columns of all members may ask of a roll. Nothing here changes what it says."""

from datetime import datetime

import numpy as np

from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.arrangement import Arrangement
from musterd_coordinator.roll.cells import Cells, cells_of
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.steps import Steps


class CellColumns:
    """A `CellColumns` has a cell for each member of a roll, in the order of an arrangement.

    What it says is of one moment, and of :attr:`~musterd_coordinator.roll.view.RollView.version`.
    """

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts

    @property
    def at(self) -> datetime:
        """Return the time now, by the wall clock."""
        return wall_instant(self._parts.clocks.wall())

    def arrange(self) -> Steps[Arrangement]:
        """Return the order in which all members stand when the last step is done."""
        return self._parts.arranger.arrange()

    def is_newest(self, arrangement: Arrangement) -> bool:
        """Say whether nobody joined, went or moved since."""
        return self._parts.arranger.is_newest(arrangement)

    def cells(self, arrangement: Arrangement) -> Cells:
        """Return the cells (n) of all members, in order."""
        return self._cells_of(slice(None, self._parts.detector.members.size))[arrangement.rows]

    def changed(
        self, arrangement: Arrangement, since: int
    ) -> dict[str, list[tuple[int, int]]] | None:
        """Return the ordinals and cells of the members that changed after a version, by group.

        None: it is not known any more who did. Left out are those that joined, went or moved since
        the arrangement.
        """
        rows = self._parts.changes.rows_since(since)
        if rows is None:
            return None
        rows = rows[~self._parts.arranger.are_touched(rows)]
        places = arrangement.places(rows)
        places.sort()
        places = places[np.searchsorted(places, 0) :]
        cells = self._cells_of(arrangement.rows[places])
        return {
            group: list(
                zip(
                    (places[which] - arrangement.groups[group].begin).tolist(),
                    cells[which].tolist(),
                    strict=True,
                )
            )
            for group, which in arrangement.by_group(places).items()
        }

    def is_at_hand(self, since: int) -> bool:
        """Say whether :meth:`changed` would know all that changed after a version."""
        return self._parts.changes.has_rows(since)

    def names(self, rows: Rows) -> list[str] | None:
        """Return the names of the members of ``rows`` (n); None where not all are in their places."""
        if self._parts.arranger.are_touched(rows).any():
            return None
        return [self._parts.directory.name(row).decode() for row in rows.tolist()]

    def _cells_of(self, rows: Rows | slice) -> Cells:
        detector = self._parts.detector
        members = detector.members
        return cells_of(
            members.state[rows],
            members.orders[rows],
            members.status[rows],
            detector.conflicts(rows),
        )
