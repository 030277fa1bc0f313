"""These are the numbers that the detector goes by."""

from collections.abc import Callable
from dataclasses import dataclass

from musterd_coordinator.judge.members import Seconds


@dataclass(frozen=True, slots=True)
class Rules:
    """`Rules` are what the detector goes by; durations are in seconds of listening time.

    ``push_timeout`` gives, for intervals of shape (n), the push timeouts of agents that do not tell
    theirs; ``interval`` stands in for a member's own while that is not known. ``storm_min`` 0 turns
    the guard off. ``signed``: all beats are, so that their numbers are what agents gave them.
    ``queued``: who does not tell its push timeout may wait longer than an interval for a push, as
    services of Nova's do, which say nothing more meanwhile.
    """

    service_down_time: float
    interval: float
    push_timeout: Callable[[Seconds], Seconds]
    storm_min: int
    storm_fraction: float
    storm_hold: float
    signed: bool = False
    queued: bool = False
