"""How late the event loop is measured by sleeping: whoever asks waits for as long."""

from collections.abc import Callable

import anyio

PERIOD = 0.25


async def measure_lag(observe: Callable[[float], None], *, period: float = PERIOD) -> None:
    """Tell ``observe`` every ``period`` seconds by how many seconds the loop woke this late, for ever."""
    while True:
        due = anyio.current_time() + period
        await anyio.sleep_until(due)
        observe(max(0.0, anyio.current_time() - due))
