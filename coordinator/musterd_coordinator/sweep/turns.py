"""The module does work in steps, between which the event loop does other work."""

from anyio.lowlevel import checkpoint

from musterd_coordinator.steps import Steps, T


async def in_steps(steps: Steps[T]) -> T:
    """Return what comes of all ``steps``, with a turn for others after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            done: T = end.value
            return done
        await checkpoint()
