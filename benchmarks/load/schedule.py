"""The module says when which beat is due, for many members at once; it is pure.

A member's place in every interval is that of a real agent (:func:`musterd_agent.beating.phase_of`
of its member_id and its run), kept as a share of the interval. Members are sorted by it, so that
those due between two instants are one stretch of rows, or two where the interval begins anew.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Due(NamedTuple):
    """A `Due` is the ``rows`` of due beats, how ``late`` each is (seconds), and a count ``skipped``."""

    rows: Rows
    late: NDArray[np.float64]
    skipped: int


def fractions(numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return ``phase_of(number, 1.0)`` for each of ``numbers`` (n)."""
    shares: NDArray[np.float64] = (numbers >> np.uint64(12)) / 2**52
    return shares


def due_between(
    sorted_fractions: NDArray[np.float64], since: float, now: float, interval: float
) -> Due:
    """Return which beats are due after ``since`` and up to ``now``, in seconds of one clock.

    Only the last of several beats of one member is made, as an agent that slept makes it.
    """
    size = len(sorted_fractions)
    first = _count_until(sorted_fractions, since / interval)
    end = _count_until(sorted_fractions, now / interval)
    begin = max(first, end - size)
    serial = np.arange(begin, end)
    rows = serial % max(size, 1)
    due = (serial // max(size, 1) + sorted_fractions[rows]) * interval
    return Due(rows, now - due, begin - first)


def _count_until(sorted_fractions: NDArray[np.float64], turns: float) -> int:
    """Return how many beats are due up to the instant ``turns`` (in intervals, from 0 on)."""
    whole = int(turns // 1)
    started = int(np.searchsorted(sorted_fractions, turns - whole, side="right"))
    return whole * len(sorted_fractions) + started
