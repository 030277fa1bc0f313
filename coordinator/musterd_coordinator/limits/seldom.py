"""What somebody may do ten thousand times has a log line at once, then one in a while."""

from collections.abc import Callable
from typing import Any

import structlog

from musterd_coordinator.limits.rates import Repeats

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""Seconds from one line to the next."""


class Seldom:
    """A `Seldom` warns of ``event`` at most once in ``period`` seconds of ``clock``.

    It says how often it was: ``times`` counts it since the line before. The key-values are those of
    the newest time.
    """

    def __init__(self, event: str, clock: Callable[[], float], period: float = PERIOD) -> None:
        self._event = event
        self._repeats = Repeats(clock, period=period)

    def warn(self, **facts: Any) -> None:
        """Note that it happened once more."""
        untold = self._repeats.one_more()
        if untold is not None:
            log.warning(self._event, **facts, **({"times": untold + 1} if untold else {}))
