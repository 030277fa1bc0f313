"""The module gives the clock of the event loop to code that reads it often."""

import asyncio
from collections.abc import Callable

import anyio

Clock = Callable[[], float]
"""It gives an instant, in seconds, of the clock of the loop that runs."""


def clock_of_loop() -> Clock:
    """Return anyio.current_time, or one that need not find out at each look what loop runs."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:  # it is another one than asyncio's, or none runs yet
        return anyio.current_time
