"""The module has what a survey of all members may ask of a roll, in columns. Nothing here changes it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Code, Mask, Seconds
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.zones import Zone


class SurveyColumns(NamedTuple):
    """`SurveyColumns` are those of :class:`~musterd_coordinator.judge.members.Members`, for n rows.

    They are the roll's own, to be read and not changed, and good until anything else is done.
    """

    state: NDArray[np.uint8]
    status: NDArray[np.uint8]
    orders: NDArray[np.uint8]
    zone: NDArray[np.int32]
    since: Seconds
    shard: NDArray[np.int16]  # (replicas, n)
    conflict: Mask


class SurveyedRows:
    """A `SurveyedRows` is a read-only view of a roll's rows."""

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts

    @property
    def size(self) -> int:
        """Return the row below which all members sit."""
        return self._parts.detector.members.size

    @property
    def zones(self) -> int:
        """Return a number that is above those of all zones."""
        return len(self._parts.directory.zones.group_of())

    def columns(self, among: slice) -> SurveyColumns:
        """Return the columns of the rows ``among`` all."""
        members = self._parts.detector.members
        return SurveyColumns(
            members.state[among],
            members.status[among],
            members.orders[among],
            members.zone[among],
            members.since[among],
            members.shard[:, among],
            self._parts.detector.conflicts(among),
        )

    def name(self, row: int) -> str | None:
        """Return the member in ``row`` as ``group/name``; None if it was forgotten."""
        if self._parts.detector.members.state.item(row) == Code.FREE:
            return None
        return str(self._parts.directory.member(row))

    def zone(self, number: int) -> Zone:
        """Return the group and the zone that the column ``zone`` has as ``number``."""
        return self._parts.directory.zones.key(number)
