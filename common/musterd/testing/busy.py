"""The module gives what takes some seconds on an idle machine as many times more on a busy one.

Where more wants to run than there are processors, all takes longer by as much. So no verdict depends
on who else works here, and what really hangs is still found. How busy the machine is is looked at
when the time is over: that it was not at the beginning says nothing.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio


def allowed(limit: float, load: float, processors: int) -> float:
    """Return the seconds for what takes ``limit`` at most on ``processors`` that nobody else wants."""
    return limit * max(1.0, load / processors)


def allowed_now(limit: float) -> float:
    """Return the seconds for what takes ``limit`` at most on an idle machine, as busy as this one is now."""
    return allowed(limit, _load(), os.cpu_count() or 1)


class Patience:
    """A `Patience` lasts for ``limit`` seconds of an idle machine, from when it is made."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._began = time.monotonic()

    @property
    def left(self) -> float:
        """Return the seconds that are left of it now, 0 when it is over."""
        took = time.monotonic() - self._began
        limit = self._limit if took < self._limit else allowed_now(self._limit)
        return max(0.0, limit - took)

    @property
    def is_over(self) -> bool:
        """Say whether it is over, as busy as the machine is now."""
        return not self.left


@contextmanager
def in_time(limit: float) -> Iterator[None]:
    """Raise TimeoutError when the block takes longer than ``limit`` seconds of an idle machine.

    It is for asyncio.
    """
    patience, loop = Patience(limit), asyncio.get_running_loop()
    with anyio.fail_after(None) as scope:

        def look() -> None:
            if left := patience.left:
                timers.append(loop.call_later(left, look))
            else:
                scope.deadline = anyio.current_time()

        timers = [loop.call_later(limit, look)]
        try:
            yield
        finally:
            timers[-1].cancel()


def status_of(process: subprocess.Popen[bytes], limit: float) -> int:
    """Wait until it ends, and return its exit status.

    Raises TimeoutExpired when that takes longer than ``limit`` seconds of an idle machine.
    """
    patience = Patience(limit)
    while left := patience.left:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(left)
    raise subprocess.TimeoutExpired(process.args, limit)


def _load() -> float:
    """Return how many want to run: on average over a minute, or at this moment if that is more.

    The average takes half a minute to tell that it has become busy here.
    """
    average, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    return max(float(average), float(running.partition("/")[0]))
