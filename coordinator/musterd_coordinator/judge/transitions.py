"""The detector says this of members, in columns: which change, to what, and why."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Mask, Rows, Seconds


class Cause(IntEnum):
    """A `Cause` is why a member changed."""

    FIRST_BEAT = 0
    BEAT = 1
    RESTARTED = 2
    LEAVING = 3
    CHECK_FAILING = 4
    SILENT = 5
    MASS_SILENCE = 6
    HOLD_OVER = 7
    NEVER_BEAT = 8
    CONFLICT = 9
    CONFLICT_OVER = 10
    STRANGE_NUMBERS = 11
    MASS_GOODBYE = 12
    GOODBYE_OVER = 13
    CONTESTED = 14
    OVERWRITTEN = 15
    STRANGE_NUMBERS_OVER = 16
    CONTESTED_OVER = 17
    CONFIRMED = 18


OVER = {
    Cause.CONFLICT: Cause.CONFLICT_OVER,
    Cause.STRANGE_NUMBERS: Cause.STRANGE_NUMBERS_OVER,
    Cause.CONTESTED: Cause.CONTESTED_OVER,
}
"""By what made a member a conflict: what is said when that is over."""


@dataclass(frozen=True, slots=True)
class StateChanges:
    """One sweep changed this: row ``rows[i]`` went from ``old[i]`` to ``new[i]`` by ``cause[i]``.

    ``silence`` is how long, in seconds of listening, each had been silent.
    """

    rows: Rows
    old: NDArray[np.uint8]
    new: NDArray[np.uint8]
    cause: NDArray[np.uint8]
    silence: Seconds

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: Mask) -> "StateChanges":
        """Return those of them (n) that are ``chosen``."""
        old, new, cause = self.old[chosen], self.new[chosen], self.cause[chosen]
        return StateChanges(self.rows[chosen], old, new, cause, self.silence[chosen])


@dataclass(frozen=True, slots=True)
class StateClaims:
    """These members ask for a state by their newest beats, of ``incarnation[i]`` with ``status[i]``."""

    rows: Rows
    incarnation: NDArray[np.uint64]
    status: NDArray[np.uint8]
