"""The detector decides on these columns: one row per member, one array per property."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd.model import State
from musterd_coordinator.process import pages

Rows = NDArray[np.int64]
Seconds = NDArray[np.float64]
Mask = NDArray[np.bool_]

NO_SHARD = -1


class Code(IntEnum):
    """A `Code` is :class:`musterd.model.State` as a number, or stands for a row that no member has."""

    FREE = 0
    UNKNOWN = 1
    UP = 2
    SUSPECT = 3
    DOWN = 4
    LEFT = 5


IS_UNDECIDED: Mask = np.isin(np.arange(len(Code)), (Code.UNKNOWN, Code.UP, Code.SUSPECT))
"""By code: whether silence still changes the state."""

STATES: dict[int, State] = {
    Code.UNKNOWN: State.UNKNOWN,
    Code.UP: State.UP,
    Code.SUSPECT: State.SUSPECT,
    Code.DOWN: State.DOWN,
    Code.LEFT: State.LEFT,
}
CODES = {state: Code(code) for code, state in STATES.items()}

LOOKED_AT = 16_000
"""Rows that are looked at in one step: about half a millisecond."""

OLDER_RUNS = tuple(f"older_incarnation_{number}" for number in range(6))
"""Columns of the runs before the previous one, the newest first."""

_COLUMNS: dict[str, tuple[Any, Any]] = {
    "state": (np.uint8, Code.FREE),
    "life": (np.uint32, 0),
    "status": (np.uint8, 0),
    "orders": (np.uint8, 0),
    "zone": (np.int32, 0),
    "interval": (np.float32, 0.0),
    "push_timeout": (np.float32, np.inf),
    "down_after": (np.float64, np.inf),
    "interval_ms": (np.uint32, 0),
    "push_timeout_ms": (np.uint16, 0),
    "clamped": (np.bool_, False),
    "put_off": (np.bool_, False),
    "incarnation": (np.uint64, 0),
    "sequence": (np.uint64, 0),
    "sent_ms": (np.int64, 0),
    "previous_incarnation": (np.uint64, 0),
    "previous_sequence": (np.uint64, 0),
    "odd_sequence": (np.uint64, 0),
    **dict.fromkeys(OLDER_RUNS, (np.uint64, 0)),
    "flips": (np.uint8, 0),
    "flipped_at": (np.float64, 0.0),
    "flipped_by": (np.uint8, 0),
    "missed": (np.uint16, 0),
    "lag_ms": (np.uint32, 0),
    "confirmed": (np.bool_, False),
    "heard_at": (np.float64, np.nan),
    "since": (np.float64, 0.0),
    "first_heard": (np.float64, np.nan),
}

_BY_PLACE: dict[str, tuple[Any, Any]] = {
    "shard": (np.int16, NO_SHARD),
    "heard": (np.float64, 0.0),
    "chances": (np.uint8, 0),
    "contested": (np.float64, 0.0),
}
"""Columns that have a row for each place of a member."""

_EMPTY = {name: empty for name, (_, empty) in (_COLUMNS | _BY_PLACE).items()}


class Members:
    """`Members` is a growing table; rows of members that were removed are used again.

    ``shard`` and ``heard`` have shape (replicas, capacity): for each of a member's places, which
    shard it is (or NO_SHARD) and that shard's listening time at the member's last new beat, moved
    forward where a gap made an allowance necessary. ``chances``, of the same shape, are counted by
    :mod:`~musterd_coordinator.judge.gaps`, which also sets ``put_off``. ``contested`` is the listening
    time at which a record was read last that is not the member's (0: never; see
    :mod:`~musterd_coordinator.judge.contests`). ``since`` is in seconds of the wall
    clock, ``flipped_at`` and ``heard_at`` (when the last new beat was seen; NaN: none yet) of the
    caller's monotonic one. ``flipped_by`` is the cause of the newest sign that made it a conflict.

    ``interval_ms`` and ``push_timeout_ms`` are as the last beat had them; ``interval`` (0: not known),
    ``push_timeout`` and ``down_after`` are what follows from them, in seconds, ``clamped`` where that
    is not what was promised. ``sent_ms`` is when the agent says that it sent the newest beat, in its own
    wall clock; ``odd_sequence`` is the newest record of the current run that was no new
    beat (0: none), see :mod:`~musterd_coordinator.judge.sequences`; :data:`OLDER_RUNS` are kept by
    :mod:`~musterd_coordinator.judge.incarnations`. ``first_heard`` is the detector's listening time
    at a member's first beat (NaN: none yet). ``orders`` are bits of what operators said, and ``life``
    is a number that no other member has or had (0: the row is free); the detector does not look at them.
    """

    state: NDArray[np.uint8]
    life: NDArray[np.uint32]
    status: NDArray[np.uint8]
    orders: NDArray[np.uint8]
    zone: NDArray[np.int32]
    interval: NDArray[np.float32]
    push_timeout: NDArray[np.float32]
    down_after: Seconds
    interval_ms: NDArray[np.uint32]
    push_timeout_ms: NDArray[np.uint16]
    clamped: Mask
    put_off: Mask
    incarnation: NDArray[np.uint64]
    sequence: NDArray[np.uint64]
    sent_ms: NDArray[np.int64]
    previous_incarnation: NDArray[np.uint64]
    previous_sequence: NDArray[np.uint64]
    odd_sequence: NDArray[np.uint64]
    flips: NDArray[np.uint8]
    flipped_at: Seconds
    flipped_by: NDArray[np.uint8]
    missed: NDArray[np.uint16]
    lag_ms: NDArray[np.uint32]
    confirmed: Mask
    heard_at: Seconds
    since: Seconds
    first_heard: Seconds
    shard: NDArray[np.int16]
    heard: Seconds
    chances: NDArray[np.uint8]
    contested: Seconds

    def __init__(self, replicas: int, capacity: int = 1024) -> None:
        self.replicas = replicas
        self.size = 0  # rows ever used; those beyond are zeros
        self.room = capacity  # rows that each column has, or more
        self.any_odd = False  # was any ``odd_sequence`` ever set?
        self._lives = 0  # members that there ever were
        self._free: list[int] = []
        for name, (dtype, _) in _COLUMNS.items():
            setattr(self, name, pages.zeros(capacity, dtype))
        for name, (dtype, _) in _BY_PLACE.items():
            setattr(self, name, pages.zeros((replicas, capacity), dtype))

    def __len__(self) -> int:
        return self.size - len(self._free)

    @property
    def used(self) -> slice:
        """Return the rows that may hold members."""
        return slice(0, self.size)

    def add(self, states: NDArray[np.uint8], shards: NDArray[np.int16]) -> Rows:
        """Add n members in ``states`` (n), placed on ``shards`` (replicas, n); return their rows."""
        rows = self._take_rows(len(states))
        self.state[rows] = states
        self.life[rows] = np.arange(self._lives + 1, self._lives + 1 + len(rows))
        self._lives += len(rows)
        self.shard[:, rows] = shards
        return rows

    def make_room(self, more: int) -> Iterator[None]:
        """Make room for ``more`` members before they come: a column grows in each step."""
        end = self.size + more
        if end > self.room:
            yield from self._grow(end + end // 4)

    def remove(self, row: int) -> None:
        """Free a row, which is as empty from then on as one that was never used."""
        for name, empty in _EMPTY.items():
            getattr(self, name)[..., row] = empty
        self._free.append(row)

    def on(self, shard: int, rows: Rows | slice) -> Mask:
        """Say which of ``rows`` beat to ``shard``."""
        placed: Mask = np.logical_or.reduce(self.shard[:, rows] == shard)
        return placed

    def _take_rows(self, count: int) -> Rows:
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        end = self.size + count - len(again)
        if end > self.room:
            for _ in self._grow(max(end, self.size + self.size // 4)):
                pass
        rows = np.concatenate([np.array(again, np.int64), np.arange(self.size, end)])
        for name, empty in _EMPTY.items():
            if empty != 0:  # what is not written to takes no memory
                getattr(self, name)[..., self.size : end] = empty
        self.size = end
        return rows

    def _grow(self, capacity: int) -> Iterator[None]:
        # Between two steps others may add, remove and change members, or let the columns grow as well.
        for name in _EMPTY:
            column = getattr(self, name)
            if column.shape[-1] < capacity:
                setattr(self, name, self._grown(column, capacity))
                yield
        self.room = max(self.room, capacity)

    def _grown(self, column: NDArray[Any], capacity: int) -> NDArray[Any]:
        if column.any():
            return pages.grown(column, capacity)
        return pages.zeros((*column.shape[:-1], capacity), column.dtype)


def slices(size: int) -> Iterator[slice]:
    """Return all of ``size`` rows, in portions of a step."""
    return (slice(at, min(at + LOOKED_AT, size)) for at in range(0, size, LOOKED_AT))
