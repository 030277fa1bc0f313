"""Waiting for what takes as long as the machine is busy."""

import time
from collections.abc import Callable
from typing import TypeVar

from musterd.testing.busy import Patience

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds on an idle machine."""


def until(true: Callable[[], bool], what: str) -> None:
    """Ask until ``true`` is so; fail when it never is."""
    patience = Patience(PATIENCE)
    while not true():
        assert not patience.is_over, f"not {what} within {PATIENCE:g} s"
        time.sleep(0.01)


def done_within(seconds: float, deed: Callable[[], T]) -> T:
    """Return what ``deed`` returns once it took less than ``seconds``: at times a machine is too busy."""
    patience = Patience(PATIENCE)
    while True:
        began = time.monotonic()
        done = deed()
        if time.monotonic() - began < seconds:
            return done
        assert not patience.is_over, f"never done within {seconds:g} s"
