"""The HTTP app on a real port of this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from musterd_coordinator.desk import Desk
from musterd_coordinator.http import make_app, serve_http


@asynccontextmanager
async def served(
    desk: Desk, listen: str = "127.0.0.1:0", *, ping_period: float = 5.0
) -> AsyncIterator[str]:
    """Serve ``desk`` and give the URL; on leaving, nothing listens there any more."""
    async with anyio.create_task_group() as tasks:
        [url] = await tasks.start(serve_http, make_app(desk, ping_period=ping_period), listen)
        yield url
        tasks.cancel_scope.cancel()


async def until(what: Callable[[], object], within: float = 5.0) -> None:
    """Wait until ``what()`` is true; TimeoutError if it does not become so."""
    with anyio.fail_after(within):
        while not what():  # noqa: ASYNC110  # what is waited for has no event of its own
            await anyio.sleep(0.01)
