"""Waiting for what takes as long as the machine is busy."""

import time
from collections.abc import Callable

from musterd.testing.busy import Patience

PATIENCE = 60.0
"""Seconds on an idle machine."""


def until(true: Callable[[], bool], what: str) -> None:
    """Ask until ``true`` is so; fail when it never is."""
    patience = Patience(PATIENCE)
    while not true():
        assert not patience.is_over, f"not {what} within {PATIENCE:g} s"
        time.sleep(0.01)
