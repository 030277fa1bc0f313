"""The module says what a swarm sends to a server, and which answers it gets when all is well.

Everything has a fixed width, so that a thousand beats are one copy of rows of an array with a few
columns changed, and their replies are right when they are equal to bytes known beforehand.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.schedule import Rows
from benchmarks.texts import Texts


class Reply(NamedTuple):
    """A `Reply` is one reply that is not what it should be.

    It has its ``size`` in bytes, and what it means. ``lost``: the server does not have the member
    (any more), which has to announce itself again. Otherwise the beat just failed, and ``reason``
    says why.
    """

    size: int
    lost: bool
    reason: str


class Look(NamedTuple):
    """A `Look` is questions after the beats of some rows, and the right answers, (n, width) each."""

    commands: Texts
    answers: Texts


class Script(Protocol):
    """A `Script` is the beats of the members of one shard, rows in the order of their fleet."""

    commands: NDArray[np.void]
    """One beat of each member: (n,) with a field ``record`` of
    :data:`musterd_coordinator.sweep.columns.RECORD`."""

    through: bytes
    """The answer to a beat that got through."""

    def look(self, rows: Rows) -> Look | None:
        """Return what agents ask every few beats to be sure of their slots; None for nothing."""

    def reply(self, data: bytes, looked: bool) -> Reply | None:
        """Return the first reply in ``data``, which is not as expected; None: it is not whole yet.

        ``looked``: it answers a look and not a beat.
        """

    def move(self, row: int, slot: int) -> None:
        """Note that the member in ``row`` was given another slot."""
