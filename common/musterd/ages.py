"""Ages, on which people and schedulers rely, go on while a host is asleep.

The clock of event loops (CLOCK_MONOTONIC) stands still in suspend, as timers should. What was heard
before is older by that time all the same, and must not be taken for fresh on waking.
"""

import time
from collections.abc import Callable

Slept = Callable[[], float]
"""It gives how many seconds this host has slept since it began."""

_NOTHING = 0.01  # seconds by which two readings may differ without any sleep


def slept() -> float:
    """Return the seconds that this host was suspended since it began; 0 where nothing tells."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    except (AttributeError, OSError):  # no such clock on this system
        return 0.0


def asleep(before: float, now: float) -> float:
    """Return the seconds slept between two readings of :data:`Slept`."""
    return now - before if now - before > _NOTHING else 0.0
