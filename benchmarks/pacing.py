"""What a load asks for is wanted by the clock, or as soon as a connection is free."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from selectors import SelectSelector
from typing import Any, Protocol, TypeVar

TICK = 0.0005
"""Seconds from one look at the clock to the next, at which what became due is asked for."""

Clock = Callable[[], float]
T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` in an event loop that keeps a tick: others sleep for whole milliseconds, and one more."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(SelectSelector())) as runner:
        return runner.run(main)


class Asking(Protocol):
    """An `Asking` is a connection that can be idle."""

    def take_turn(self) -> None:
        """Send the next request that is wanted, or be idle."""


class Wants:
    """A `Wants` says since when the next request is wanted, at ``rate`` a second; 0: at full speed.

    At a rate, requests are wanted by the clock, whatever became of those before: the time that one waits
    for a free connection belongs to its latency, and so does the time by which the asker itself is late.
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
            due = int((self.clock() - began) * self.rate)
            self._wanted.extend(began + number / self.rate for number in range(count + 1, due + 1))
            count = due
            while self._wanted and self.idle:
                self.idle.pop().take_turn()
