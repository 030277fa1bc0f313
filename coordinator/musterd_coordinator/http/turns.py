"""One heavy question after the other: each is answered in steps, and so many wait at most."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint

from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.shares import Shares
from musterd_coordinator.steps import Steps, T


class Turns:
    """``most`` may wait or be answered at once, half of them of one address."""

    def __init__(self, most: int) -> None:
        self._shares = Shares(most, max(1, most // 2))
        self._lock = anyio.Lock()

    async def take(self, holder: str, steps: Steps[T]) -> T:
        """What comes of ``steps`` when it is their turn; a Problem 503 where too many wait."""
        async with self.turn(holder):
            return await in_steps(steps)

    @asynccontextmanager
    async def turn(self, holder: str) -> AsyncIterator[None]:
        """A turn, as soon as there is one."""
        if not self._shares.take(holder):
            raise Problem(
                503,
                "too many questions about many members wait to be answered; try again",
                headers=((b"retry-after", b"1"),),
            )
        try:
            async with self._lock:
                yield
        finally:
            self._shares.give(holder)

    async def alone(self, steps: Steps[T]) -> T:
        """What comes of ``steps`` when nobody else's are going on, for one who may always wait."""
        async with self._lock:
            return await in_steps(steps)


async def in_steps(steps: Steps[T]) -> T:
    """All of it, with a turn for everybody else after each step."""
    try:
        while True:
            next(steps)
            await checkpoint()
    except StopIteration as end:
        done: T = end.value
        return done
    finally:
        steps.close()
