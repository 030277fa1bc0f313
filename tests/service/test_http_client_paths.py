"""How clients get to coordinators: names that hang or have several addresses, answers without end."""

import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio
import pytest
from anyio.to_thread import run_sync as in_thread

from musterd.client import AsyncClient, Client, Replica
from musterd.client import transport as client_transport
from musterd.errors import CoordinatorUnreachable
from musterd.model import Member, State
from musterd.testing import FakeNames
from musterd.testing.busy import allowed_now
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.service.strangers import answering
from tests.swallowing import swallowing

Groups = Callable[[str, float], Awaitable[int]]


async def plain_groups(urls: str, timeout: float) -> int:  # noqa: ASYNC109 (the client's)
    def ask() -> int:
        with Client(urls, timeout) as client:
            return len(client.groups().groups)

    return await in_thread(ask)


async def async_groups(urls: str, timeout: float) -> int:  # noqa: ASYNC109 (the client's)
    async with AsyncClient(urls, timeout) as client:
        return len((await client.groups()).groups)


both = pytest.mark.parametrize("groups", [plain_groups, async_groups])


@pytest.fixture
def desk() -> DictDesk:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


@both
async def test_a_name_that_hangs_leaves_time_for_the_next_coordinator(
    groups: Groups, desk: DictDesk
) -> None:
    async with served(desk) as url:
        with FakeNames() as names:
            names.hang("hang.test")
            deadline, began = allowed_now(2.0), time.monotonic()
            assert await groups(f"http://hang.test:8420,{url}", deadline) == 1
            assert time.monotonic() - began < deadline
            with pytest.raises(CoordinatorUnreachable, match="no answer within"):
                await groups("http://hang.test:8420", 0.2)


@both
async def test_a_name_that_is_not_found_is_said(groups: Groups) -> None:
    with FakeNames(), pytest.raises(CoordinatorUnreachable, match="not known"):
        await groups("http://nowhere.test:8420", 4.0)


@both
async def test_the_second_address_of_a_name_is_tried_in_time(
    groups: Groups, desk: DictDesk
) -> None:
    async with served(desk) as url:
        port = url.rpartition(":")[2]
        with (
            swallowing("127.0.0.9", int(port)),
            FakeNames({"localhost": ["127.0.0.9", "127.0.0.1"]}),
        ):
            assert await groups(f"http://localhost:{port}", 1.0) == 1


@both
async def test_plain_http_where_tls_is_expected_is_said(groups: Groups, desk: DictDesk) -> None:
    async with served(desk) as url:
        with pytest.raises(CoordinatorUnreachable, match="it speaks no TLS there"):
            await groups(url.replace("http:", "https:"), 4.0)


def without_end(peer: socket.socket, over: threading.Event) -> None:
    """Answer with a body that never ends."""
    with suppress(OSError):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
        while not over.is_set():
            peer.sendall(b" " * 65536)


@both
async def test_an_answer_without_end_is_cut_off(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_transport, "ANSWER_LIMIT", 1 << 20)
    refused = pytest.raises(CoordinatorUnreachable, match="more than 1048576 bytes")
    with answering(without_end) as url, refused:
        await groups(url, 20.0)


async def test_forgetting_succeeds_though_the_answer_was_lost(desk: DictDesk) -> None:
    # The coordinator does it and hangs up: the second try is told that there is no such member.
    desk.put(Member("compute", "h2"), state=State.DOWN)
    async with served(desk) as url:

        def lose_answer(peer: socket.socket, over: threading.Event) -> None:
            request = peer.recv(65536)
            host, _, port = url.removeprefix("http://").rpartition(":")
            with socket.create_connection((host, int(port)), 5) as coordinator:
                coordinator.sendall(request)
                coordinator.recv(65536)

        with answering(lose_answer) as losing, Client(f"{losing},{url}", 5.0) as client:
            await in_thread(partial(client.forget, "compute", "h2"))
    assert len(desk.query("compute", ["h1", "h2"]).members) == 1


async def test_a_replica_leaves_a_coordinator_that_is_deaf_for_one_that_hears(
    desk: DictDesk,
) -> None:
    other = DictDesk()
    other.put(Member("compute", "other"))
    async with (
        served(desk) as first,
        served(other) as second,
        Replica([first, second], "compute") as replica,
    ):
        await until(lambda: replica.is_up("h1"))
        desk.listen(False, 1.0)
        await until(lambda: replica.is_up("other") and replica.listening, within=15.0)


async def test_a_replica_does_not_change_its_view_for_an_older_one(desk: DictDesk) -> None:
    deaf = DictDesk()
    deaf.put(Member("compute", "h1"), state=State.DOWN)
    deaf.listen(False, 500.0)
    async with served(deaf) as second, anyio.create_task_group() as tasks:
        async with served(desk) as first:
            replica = await tasks.start(followed, [first, second])
            await until(lambda: replica.is_up("h1"))
        await until(lambda: replica.problem and "not heard its store" in replica.problem, 15.0)
        assert replica.is_up("h1")
        assert not replica.listening
        deaf.listen(True, 0.2)
        await until(lambda: replica.is_down("h1"), 15.0)
        tasks.cancel_scope.cancel()


async def followed(urls: list[str], *, task_status: anyio.abc.TaskStatus[Replica]) -> None:
    async with Replica(urls, "compute") as replica:
        task_status.started(replica)
        await anyio.sleep_forever()
