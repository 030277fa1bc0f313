"""What the detector's columns say of members, for answers: of one, or of many with less for each."""

from collections.abc import Iterator
from typing import NamedTuple

from musterd_coordinator.detector import Detector
from musterd_coordinator.members import Rows


class Seen(NamedTuple):
    """One member's row; ``silence``, ``interval``, ``since`` and ``down_after`` in seconds."""

    state: int
    status: int
    orders: int
    conflict: bool
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
    """Of the member of ``row``."""
    members = detector.members
    return Seen(
        members.state.item(row),
        members.status.item(row),
        members.orders.item(row),
        detector.conflict(row),
        members.interval.item(row),
        members.since.item(row),
        detector.silence_of(row),
        members.incarnation.item(row),
        members.missed.item(row),
        members.lag_ms.item(row),
        members.put_off.item(row),
        members.clamped.item(row),
        members.down_after.item(row),
    )


def seen(detector: Detector, rows: Rows) -> Iterator[Seen]:
    """Of the members of ``rows`` (n), in their order."""
    members = detector.members
    columns = (
        members.state[rows],
        members.status[rows],
        members.orders[rows],
        detector.conflicts(rows),
        members.interval[rows],
        members.since[rows],
        detector.silence(rows),
        members.incarnation[rows],
        members.missed[rows],
        members.lag_ms[rows],
        members.put_off[rows],
        members.clamped[rows],
        members.down_after[rows],
    )
    return map(Seen, *(column.tolist() for column in columns))
