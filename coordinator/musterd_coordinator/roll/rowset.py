"""The module has a set of rows, at a byte each: all of a million members may be in it at once."""

import numpy as np

from musterd_coordinator.judge.members import Mask, Rows
from musterd_coordinator.process import pages


class RowSet:
    """A `RowSet` has rows for which something is still to be done."""

    def __init__(self) -> None:
        self._marked = np.zeros(1024, np.bool_)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._marked))

    def __bool__(self) -> bool:
        return bool(self._marked.any())

    def add(self, rows: Rows) -> None:
        """Add ``rows`` (n)."""
        self.reserve(int(rows.max(initial=-1)) + 1)
        self._marked[rows] = True

    def reserve(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        self._marked = pages.with_room(self._marked, rows)

    def discard(self, row: int) -> None:
        """Take ``row`` out, whether or not it was in."""
        if row < len(self._marked):
            self._marked[row] = False

    def has(self, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) are in."""
        within = np.minimum(rows, len(self._marked) - 1)
        return self._marked[within] & (rows < len(self._marked))

    def among(self, begin: int, end: int) -> Rows:
        """Return all rows that are in, from ``begin`` on and below ``end``, in ascending order."""
        return np.flatnonzero(self._marked[begin:end]) + begin

    def without(self, waiting: Mask) -> Rows:
        """Return all rows that are in, ascending, without those of the mask ``waiting`` (n)."""
        marked = self._marked.copy()
        marked[: len(waiting)] &= ~waiting[: len(marked)]
        return np.flatnonzero(marked)

    def pop(self, rows: Rows) -> Rows:
        """Remove ``rows`` (n), and return those of them that were in."""
        rows = rows[rows < len(self._marked)]
        rows = rows[self._marked[rows]]
        self._marked[rows] = False
        return rows
