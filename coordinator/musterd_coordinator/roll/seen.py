"""The module reads the detector's columns for answers: for one member, or cheaper for many."""

from collections.abc import Iterator
from functools import lru_cache
from math import floor

import msgspec
import numpy as np

from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import Rows


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A `Seen` is one member's row.

    ``silence``, ``interval`` and ``down_after`` are in seconds, to the millisecond, and ``since``
    in seconds.
    """

    state: int
    status: int
    orders: int
    conflict: bool
    flipped_by: int
    interval: float
    since: float
    silence: float
    incarnation: int
    missed: int
    lag_ms: int
    put_off: bool
    clamped: bool
    down_after: float


def seen_of(detector: Detector, row: int) -> Seen:
    """Return what was seen of the member of ``row``."""
    members = detector.members
    return Seen(
        members.state.item(row),
        members.status.item(row),
        members.orders.item(row),
        detector.conflict(row),
        members.flipped_by.item(row),
        _rounded(members.interval.item(row)),
        members.since.item(row),
        floor(detector.silence_of(row) * 1000 + 0.5) / 1000,
        members.incarnation.item(row),
        members.missed.item(row),
        members.lag_ms.item(row),
        members.put_off.item(row),
        members.clamped.item(row),
        _rounded(members.down_after.item(row)),
    )


def seen(detector: Detector, rows: Rows) -> Iterator[Seen]:
    """Return what was seen of the members of ``rows`` (n), in their order."""
    members = detector.members
    columns = (
        members.state[rows],
        members.status[rows],
        members.orders[rows],
        detector.conflicts(rows),
        members.flipped_by[rows],
        members.interval[rows].astype(np.float64).round(3),
        members.since[rows],
        detector.silence(rows).round(3),
        members.incarnation[rows],
        members.missed[rows],
        members.lag_ms[rows],
        members.put_off[rows],
        members.clamped[rows],
        members.down_after[rows].astype(np.float64).round(3),
    )
    return map(Seen, *(column.tolist() for column in columns))


@lru_cache(1024)
def _rounded(seconds: float) -> float:
    """Round to the millisecond, with a cache: a fleet has few intervals."""
    return round(seconds, 3)
