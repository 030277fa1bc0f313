"""Work is done in steps of a millisecond or two, between which the event loop does other work."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Each ``yield`` ends a step; what is returned is what comes of it all."""


def whole(steps: Steps[T]) -> T:
    """Do all the steps at once, and return what comes of them."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        done: T = end.value
        return done
