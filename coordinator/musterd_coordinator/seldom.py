"""A log line for what somebody may do ten thousand times: the first at once, then one a while."""

from collections.abc import Callable
from math import inf
from typing import Any

import structlog

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""Seconds from one line to the next."""


class Seldom:
    """Warns of ``event`` at most once in ``period`` seconds of ``clock``, and says how often it was.

    ``times`` counts it since the line before. The key-values are those of the newest time.
    """

    def __init__(self, event: str, clock: Callable[[], float], period: float = PERIOD) -> None:
        self._event = event
        self._clock = clock
        self._period = period
        self._said = -inf
        self._times = 0

    def warn(self, **facts: Any) -> None:
        """It happened once more."""
        self._times += 1
        now = self._clock()
        if now - self._said < self._period:
            return
        times, self._times, self._said = self._times, 0, now
        log.warning(self._event, **facts, **({"times": times} if times > 1 else {}))
