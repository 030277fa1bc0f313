"""A client whose call is given up, at whatever step, leaves no connection open."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from itertools import count

import anyio
import pytest

from musterd.client import AsyncClient, Replica
from musterd.errors import CoordinatorUnreachable
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.testing.busy import in_time
from musterd.tls import server_tls
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.stepping import Steps, When, connections_to


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture
def desk() -> DictDesk:
    """One member."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


async def asked(url: str, ca_file: str | None) -> None:
    async with AsyncClient(url, ca_file=ca_file) as client:
        await client.query("compute", ["h1"])


async def followed(url: str, ca_file: str | None) -> None:
    async with Replica(url, "compute", ca_file=ca_file) as replica:
        await replica.wait_ready()


@pytest.mark.parametrize("by_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("do", [asked, followed])
async def test_a_call_that_is_given_up_leaves_no_connection(
    desk: DictDesk,
    authority: Authority,
    do: Callable[[str, str | None], Awaitable[None]],
    when: When,
    *,
    by_tls: bool,
) -> None:
    made = authority.issue("api")
    tls = server_tls(Settings(tls_cert_file=made.cert, tls_key_file=made.key))
    async with served(desk, tls=tls if by_tls else None) as url:
        for at in count(1):
            scope = anyio.CancelScope()

            async def give_up(scope: anyio.CancelScope = scope) -> None:
                with scope:
                    await do(url, authority.file if by_tls else None)

            steps = Steps(at, when, scope.cancel)
            with steps.counting():
                task = asyncio.ensure_future(give_up())
                with in_time(10):
                    await task
            await until(lambda: not connections_to({port_of(url)}))
            if not steps.struck:
                break


async def test_a_coordinator_that_hangs_keeps_no_connection(authority: Authority) -> None:
    """It accepts, and never says a word: each attempt would cost its caller one more open file."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with AsyncClient(f"https://127.0.0.1:{port}", 0.3, ca_file=authority.file) as client:
            for _ in range(3):
                with pytest.raises(CoordinatorUnreachable):
                    await client.groups()
            await until(lambda: not connections_to({port}))
