"""`settle` keeps the garbage collector off what a process knows of members, once it knows all."""

import gc
from collections.abc import Callable

import anyio

POLL = 1.0
BUSY_START = 30.0
"""Seconds in which a start is taken to be busy with members, and makes little garbage."""

COLLECT_PERIOD = 3600.0
_NEVER = 1_000_000  # collections of the middle generation before one of the oldest


async def settle(
    is_ready: Callable[[], bool], *, poll: float = POLL, busy: float = BUSY_START
) -> None:
    """Keep the garbage collector off members until all are known, and then off what is kept of them.

    Collections take a tenth of the time while a million members are read and seated; once they are,
    looking through them took 70 ms, each time. They find nothing: what belongs to members is in no
    cycles. What is alive once all are known is never looked at again. Of what comes later, which
    may be a million names put in order for a list, all is looked at only once an hour, and what is
    young as often as ever. A start that takes longer than ``busy`` seconds is waiting for
    something, and makes garbage of its own meanwhile. ``is_ready`` is called every ``poll``
    seconds.
    """
    with anyio.move_on_after(busy):
        await _until(is_ready, poll)
    gc.enable()
    await _until(is_ready, poll)
    collect_seldom()
    while True:
        await anyio.sleep(COLLECT_PERIOD)
        gc.collect()


def collect_seldom() -> None:
    """Leave what is alive now out of all collections, and seldom look at all of what is old."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)


async def _until(is_ready: Callable[[], bool], poll: float) -> None:
    while not is_ready():  # noqa: ASYNC110  # that has no event of its own
        await anyio.sleep(poll)
