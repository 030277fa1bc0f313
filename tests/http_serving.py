"""The HTTP app on a real port of this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio

from musterd.testing.busy import in_time
from musterd.tls import Tls
from musterd_coordinator.http import App, make_app, serve_http
from musterd_coordinator.http.connection import Connection
from musterd_coordinator.service.contract import CoordinatorApi


@asynccontextmanager
async def served(
    desk: CoordinatorApi,
    listen: str = "127.0.0.1:0",
    *,
    ping_period: float = 5.0,
    connection: type[Connection] = Connection,
    tls: Tls | None = None,
) -> AsyncIterator[str]:
    """Serve ``desk`` and give the URL; on leaving, nothing listens there any more."""
    app = make_app(desk, ping_period=ping_period)
    async with served_app(app, listen, connection=connection, tls=tls) as url:
        yield url


@asynccontextmanager
async def served_app(
    app: App, listen: str, *, connection: type[Connection] = Connection, tls: Tls | None = None
) -> AsyncIterator[str]:
    """The same of an app, which is one run of a coordinator however often it is served."""
    async with anyio.create_task_group() as tasks:
        serve = partial(serve_http, app, listen, connection=connection, tls=tls)
        [url] = await tasks.start(serve)
        yield url
        tasks.cancel_scope.cancel()


async def until(what: Callable[[], object], within: float = 5.0) -> None:
    """Wait until ``what()`` is true; TimeoutError if it does not become so."""
    with in_time(within):
        while not what():  # noqa: ASYNC110  # what is waited for has no event of its own
            await anyio.sleep(0.01)
