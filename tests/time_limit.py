"""A limit of time for each test, so that one that hangs says its name and where it stands.

The limit is for a machine that is not busy: see :mod:`musterd.testing.busy`.
"""

import asyncio
import faulthandler
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from musterd.testing.busy import allowed_now

GRACE = 330.0
"""Seconds for a test that failed by its limit to put away what it used, and for Hypothesis, which may
look for a smaller example during five minutes: a process that ended would take it along."""


@contextmanager
def limited(limit: float, grace: float = GRACE) -> Iterator[None]:
    """Fail the test that runs in this, the main thread, when it takes longer than ``limit`` seconds.

    It fails where it stands, and standard error has what all threads and tasks wait for. When it
    is not done ``grace`` seconds later, its process ends, and pytest-xdist names the test.
    """
    begin = time.monotonic()

    def look(_signal: int, _frame: FrameType | None) -> None:
        now, seconds = time.monotonic() - begin, allowed_now(limit)
        if now < seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds - now)
            return
        faulthandler.dump_traceback_later(grace, exit=True)
        _tell_where()
        pytest.fail(f"it hangs: after {now:.0f} s it is not done, and has {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


def _tell_where() -> None:
    faulthandler.dump_traceback(sys.__stderr__ or 2)
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no event loop runs here
        return
    for task in tasks:
        sys.stderr.write("".join([f"{task.get_name()} waits here:\n", *_awaited(task)]))


def _awaited(task: "asyncio.Task[object]") -> Iterator[str]:
    """Where a task waits, from the outermost function to the innermost."""
    waiting: object = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        yield from traceback.format_list(traceback.extract_stack(frame, limit=1))
        waiting = getattr(waiting, "cr_await", None)
