"""What a load asks for is wanted by the clock, or as soon as a connection is free."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat
from typing import Protocol

TICK = 0.001
"""Seconds from one look at the clock to the next: what became due is wanted from then on."""

Clock = Callable[[], float]


class Asking(Protocol):
    """An `Asking` is a connection that can be idle."""

    def take_turn(self) -> None:
        """Send the next request that is wanted, or be idle."""


class Wants:
    """A `Wants` says since when the next request is wanted, at ``rate`` a second; 0: at full speed.

    At a rate, requests are wanted by the clock, whatever became of those before: the time that one waits
    for a free connection belongs to its latency.
    """

    def __init__(self, rate: float = 0, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.rate = rate
        self.idle: list[Asking] = []
        self._wanted: deque[float] = deque()  # since when, for each request that is due

    def next(self) -> float | None:
        """Return since when another request is wanted, or None when none is."""
        if not self.rate:
            return self.clock()
        return self._wanted.popleft() if self._wanted else None

    async def keep_wanting(self) -> None:
        """Want, for ever, what is due by the rate."""
        began, count = self.clock(), 0
        while self.rate:
            await asyncio.sleep(TICK)
            now = self.clock()
            due = int((now - began) * self.rate) - count
            count += due
            self._wanted.extend(repeat(now, due))
            while self._wanted and self.idle:
                self.idle.pop().take_turn()
