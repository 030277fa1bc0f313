"""Heavy questions are answered one after the other, each in steps, and so many wait at most."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint

from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.shares import Shares
from musterd_coordinator.steps import Steps, T


class Turns:
    """A `Turns` lets ``most`` wait or be answered at once, half of them of one address."""

    def __init__(self, most: int) -> None:
        self._shares = Shares(most, max(1, most // 2))
        self._lock = anyio.Lock()

    async def run(self, holder: str, steps: Steps[T]) -> T:
        """Return what comes of ``steps`` when it is their turn; raise a Problem 503 where too many wait."""
        async with self.turn(holder):
            return await in_steps(steps)

    @asynccontextmanager
    async def turn(self, holder: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        if not self._shares.acquire(holder):
            raise Problem(
                503,
                "too many questions about many members wait to be answered; try again",
                headers={"retry-after": "1"},
            )
        try:
            async with self._lock:
                yield
        finally:
            self._shares.release(holder)

    async def alone(self, steps: Steps[T]) -> T:
        """Return what comes of ``steps`` when no others are going on, for a caller that may always wait."""
        async with self._lock:
            return await in_steps(steps)


async def in_steps(steps: Steps[T]) -> T:
    """Do all of ``steps``, with a turn for everybody else after each; return what comes of it."""
    try:
        while True:
            next(steps)
            await checkpoint()
    except StopIteration as end:
        done: T = end.value
        return done
    finally:
        steps.close()
