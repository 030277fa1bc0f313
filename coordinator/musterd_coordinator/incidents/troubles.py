"""The module says of each member what is the matter with it. Pure."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd_coordinator.judge.members import IS_UNDECIDED, NO_SHARD, Code, Mask, Seconds
from musterd_coordinator.roll.surveyed import SurveyColumns
from musterd_coordinator.roll.verdicts import DISABLED, FORCED_DOWN


class Trouble(IntEnum):
    """A `Trouble` is what one member is counted for, and it is counted once."""

    NONE = 0
    UNHEARD = 1
    SUSPECT = 2
    DEAD = 3
    CHECK = 4
    CONFLICT = 5
    FORCED = 6


def trouble_of(code: int, check_failing: bool, orders: int, conflict: bool) -> Trouble:
    """Return what a member is counted for if it is heard somewhere.

    Who is down is so by an operator, by its own check, or else by silence. Who is not, nor suspect, may
    be in conflict.
    """
    if code in (Code.FREE, Code.LEFT):
        return Trouble.NONE
    if orders & FORCED_DOWN:
        return Trouble.FORCED
    if code == Code.DOWN:
        return Trouble.CHECK if check_failing else Trouble.DEAD
    if code == Code.SUSPECT:
        return Trouble.SUSPECT
    return Trouble.CONFLICT if conflict else Trouble.NONE


_ORDERS = DISABLED | FORCED_DOWN
_BOTH = (False, True)
_TROUBLES = np.array(
    [
        [
            [
                [trouble_of(code, failing, orders, conflict) for conflict in _BOTH]
                for failing in _BOTH
            ]
            for orders in range(_ORDERS + 1)
        ]
        for code in Code
    ],
    np.uint8,
)
_MAY_BE_UNHEARD: Mask = np.isin(np.arange(len(Trouble)), (Trouble.NONE, Trouble.CONFLICT))


def troubles(columns: SurveyColumns, listening: Mask) -> NDArray[np.uint8]:
    """Return the :class:`Trouble` of each of n members; ``listening`` is by shard.

    Whose verdict silence might change, and who is heard nowhere, is UNHEARD and not in conflict.
    """
    failing = (columns.status == Status.CHECK_FAILING).view(np.uint8)
    conflict = columns.conflict.view(np.uint8)
    found: NDArray[np.uint8] = _TROUBLES[columns.state, columns.orders, failing, conflict]
    if not listening.all():
        unheard = IS_UNDECIDED[columns.state] & _MAY_BE_UNHEARD[found]
        found[unheard & _unheard(columns.shard, listening)] = Trouble.UNHEARD
    return found


def began(
    columns: SurveyColumns, found: NDArray[np.uint8], listening: Mask, changed: Seconds
) -> Seconds:
    """Return since when (n) that is so, in seconds of the wall clock; NaN where nothing tells it.

    ``changed`` is when each shard began to listen, or not to.
    """
    since = columns.since.copy()
    since[(found == Trouble.CONFLICT) | (found == Trouble.FORCED)] = np.nan
    if (found == Trouble.UNHEARD).any():
        last = np.append(np.where(listening, -np.inf, changed), -np.inf)  # NO_SHARD reads the last
        unheard = found == Trouble.UNHEARD
        since[unheard] = last[columns.shard[:, unheard]].max(axis=0)
    return since


def _unheard(shard: NDArray[np.int16], listening: Mask) -> Mask:
    """Say which of n members are on a shard, but on none that listens."""
    heard = np.append(listening, np.False_)[shard].any(axis=0)
    unheard: Mask = ~heard & (shard != NO_SHARD).any(axis=0)
    return unheard
