"""The clock of the event loop, for those who look at it often."""

import asyncio
from collections.abc import Callable

import anyio

Clock = Callable[[], float]
"""Gives an instant, in seconds, of the clock of the loop that runs."""


def clock_of_loop() -> Clock:
    """anyio.current_time, which need not find out at each look what loop it is that runs here."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:  # it is another one than asyncio's, or none runs yet
        return anyio.current_time
