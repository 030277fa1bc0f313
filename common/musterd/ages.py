"""Ages that people and schedulers rely on, which go on while a host is asleep.

The clock of event loops stands still in suspend (CLOCK_MONOTONIC), as timers should. What was heard
before is older by as much all the same, and whoever is told its age on waking must not take it for fresh.
"""

import time
from collections.abc import Callable

Slept = Callable[[], float]
"""Gives how many seconds this host has slept since it began."""

_NOTHING = 0.01  # seconds by which two readings may differ without any sleep


def slept() -> float:
    """Seconds for which this host has been suspended since it began; 0 where nobody can tell."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    except (AttributeError, OSError):  # no such clock on this system
        return 0.0


def asleep(before: float, now: float) -> float:
    """Seconds slept between two readings of :data:`Slept`."""
    return now - before if now - before > _NOTHING else 0.0
