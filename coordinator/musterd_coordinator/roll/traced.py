"""The module has what a recorder may ask of a roll: all rows at once, in columns. Nothing here changes it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Rows, Seconds
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.sweep.columns import Slots


class MemberColumns(NamedTuple):
    """`MemberColumns` are those of :class:`~musterd_coordinator.judge.members.Members`, for n rows.

    They are the roll's own, to be read and not changed, and good until anything else is done.
    """

    life: NDArray[np.uint32]
    state: NDArray[np.uint8]
    heard_at: Seconds
    incarnation: NDArray[np.uint64]
    interval: NDArray[np.float32]
    zone: NDArray[np.int32]
    shard: NDArray[np.int16]  # (replicas, n)


class TracedRows:
    """A `TracedRows` is a read-only view of a roll's rows."""

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts

    def columns(self) -> MemberColumns:
        """Return the columns of all rows, with those that no member has: these have life 0."""
        members = self._parts.detector.members
        columns = (getattr(members, name) for name in MemberColumns._fields)
        return MemberColumns(*(column[..., members.used] for column in columns))

    def rows_at(self, shard: int, slots: Slots) -> Rows:
        """Return the rows (n) of the members in ``slots`` (n) of a shard, NOBODY where none sits."""
        return self._parts.shards[shard].seats.rows_at(slots)

    def causes(self, rows: Rows) -> list[str]:
        """Return for each of ``rows`` the word of why it is in its state; empty where none is known."""
        return [self._parts.reporter.cause(row) for row in rows.tolist()]

    def name(self, row: int) -> str:
        """Return the name of the member in ``row``."""
        return self._parts.directory.member(row).name

    def zone(self, number: int) -> tuple[str, str]:
        """Return the group and the zone that the column ``zone`` has as ``number``."""
        return self._parts.directory.zones.key(number)
