"""A server that stops hangs up on everybody, in whatever moment somebody came."""

import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd.stores.table.table import Table
from musterd.testing.busy import in_time
from musterd_coordinator.memcache.server import serve
from tests.http_desk import DictDesk
from tests.http_serving import served

TURNS = 6
"""Of the event loop: more than it takes from a connect to the protocol that has the connection."""

Serving = AbstractAsyncContextManager[int]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """An agent's loop, and a coordinator's."""
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def store() -> AsyncIterator[int]:
    async with serve("127.0.0.1", 0, Table()) as server:
        yield server.port


@asynccontextmanager
async def api() -> AsyncIterator[int]:
    async with served(DictDesk()) as url:
        yield int(url.rpartition(":")[2])


async def hung_up(client: socket.socket) -> None:
    """Wait until the other side hung up."""
    client.setblocking(False)
    with client, in_time(5):
        await anyio.wait_readable(client)
        with suppress(ConnectionResetError):
            while client.recv(100):
                await anyio.wait_readable(client)


@pytest.mark.parametrize("serving", [store, api])
@pytest.mark.parametrize("turns", range(TURNS))
async def test_who_comes_as_it_stops(serving: Callable[[], Serving], turns: int) -> None:
    async with serving() as port:
        client = socket.create_connection(("127.0.0.1", port), 5.0)
        for _ in range(turns):
            await checkpoint()
    gc.collect()  # what is left open would warn, and warnings are errors
    await hung_up(client)
