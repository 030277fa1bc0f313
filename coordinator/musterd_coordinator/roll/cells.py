"""The module puts what is stated of a member, and its marks, into one byte: a cell. It is pure.

Bits 0 to 2 are the state, by its place in :class:`~musterd.model.State`; each mark has one of the
others, by its place in :class:`~musterd.model.Mark`.
"""

import numpy as np
from numpy.typing import NDArray

from musterd.model import Mark, State
from musterd_coordinator.judge.members import CODES, Code, Mask
from musterd_coordinator.roll.verdicts import marked, stated

Cells = NDArray[np.uint8]

STATE_BITS = 3
_MARK = {mark: 1 << STATE_BITS + at for at, mark in enumerate(Mark)}
_CONFLICT = np.uint8(_MARK[Mark.CONFLICT])

_ORDERS, _STATUSES = 4, 4


def _state_of() -> Cells:
    states = np.zeros(len(Code), np.uint8)  # a row that is free looks unknown
    for at, state in enumerate(State):
        states[CODES[state]] = at
    return states


def _table() -> Cells:
    """Return the cells without a conflict by state, orders and status, in this order."""
    shape = len(Code), _ORDERS, _STATUSES
    state, orders, status = (part.ravel().astype(np.uint8) for part in np.indices(shape))
    cells = _state_of()[stated(state, orders)]
    for mark, bit in _MARK.items():
        cells += bit * marked(mark, status, orders, np.zeros(len(state), np.bool_)).view(np.uint8)
    return cells


_TABLE = _table()


def cells_of(
    states: NDArray[np.uint8],
    orders: NDArray[np.uint8],
    statuses: NDArray[np.uint8],
    conflict: Mask,
) -> Cells:
    """Return the cells (n) of members in these states (as :class:`Code`), all of shape (n,)."""
    places = states * np.uint8(_ORDERS * _STATUSES)
    places += orders * np.uint8(_STATUSES)
    places += statuses
    cells: Cells = _TABLE[places]
    cells |= conflict.view(np.uint8) * _CONFLICT
    return cells
