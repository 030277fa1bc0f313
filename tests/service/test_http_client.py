"""The clients and the replica against real servers: calls, deadlines, fail-over."""

import socket
import subprocess
import sys
import threading
import time
from functools import partial
from typing import Any

import anyio
import pytest

from musterd.client import AsyncClient, Client, Replica
from musterd.errors import (
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    NotFound,
)
from musterd.model import FactsChange, Member, State
from musterd.testing.busy import allowed_now, in_time
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.service.strangers import answering

PATIENCE = 60.0
"""Seconds for a call that takes milliseconds on an idle machine."""

in_thread = anyio.to_thread.run_sync


@pytest.fixture
def desk() -> DictDesk:
    """Enough members for three pages."""
    desk = DictDesk()
    desk.put(*[Member("compute", f"h{number:04}", f"z{number % 2}") for number in range(2500)])
    desk.put(Member("compute", "h0001", "z1"), state=State.DOWN, reason="silent")
    return desk


async def test_plain_calls(desk: DictDesk) -> None:
    async with served(desk) as url:
        await in_thread(_all_calls, url)


def _all_calls(url: str) -> None:
    with Client(url, timeout=PATIENCE) as client:
        assert [group.group for group in client.groups().groups] == ["compute"]
        assert client.group("compute").members == 2500
        assert len(list(client.members("compute"))) == 2500
        assert [one.member for one in client.members("compute", state=State.DOWN)] == ["h0001"]
        assert len(list(client.members("compute", zone="z1", up=True))) == 1249
        assert [len(page.members) for page in client.pages("compute")] == [1000, 1000, 500]
        assert client.member("compute", "h0001").reason == "silent"
        answer = client.query("compute", [f"h{number:04}" for number in range(12_000)])
        assert (len(answer.members), len(answer.not_found)) == (2500, 9500)
        changed = client.change_facts("compute", "h0002", FactsChange(disabled=True, reason="ß"))
        assert (changed.disabled, changed.disabled_reason) == (True, "ß")
        assert client.history("compute", "h0001", limit=1).changes[0].new is State.DOWN
        assert client.status().members == 2500
        with pytest.raises(Conflict, match="compute/h0003 is up"):
            client.forget("compute", "h0003")
        client.forget("compute", "h0003", force=True)
        with pytest.raises(NotFound, match="no member 'h0003' in 'compute', which has 2499"):
            client.member("compute", "h0003")
        with pytest.raises(CoordinatorError, match="zone is 300 characters long"):
            client.change_facts("compute", "h0002", FactsChange(zone="z" * 300))


async def test_async_calls(desk: DictDesk) -> None:
    async with served(desk) as url, AsyncClient(url, timeout=PATIENCE) as client:
        assert (await client.group("compute")).members == 2500
        assert len([one async for one in client.members("compute")]) == 2500
        assert len([one async for one in client.members("compute", up=False)]) == 1
        assert len((await client.query("compute", ["h0001", "x"])).not_found) == 1
        await client.change_facts("compute", "h0002", FactsChange(forced_down=True))
        assert (await client.member("compute", "h0002")).down
        await client.forget("compute", "h0002")
        with pytest.raises(NotFound):
            await client.history("compute", "h0002")
        assert (await client.status()).listening
        assert len((await client.groups()).groups) == 1


def free_port() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def say_nothing(peer: socket.socket, over: threading.Event) -> None:
    """Take the request and hang."""
    over.wait()


def trickle(peer: socket.socket, over: threading.Event) -> None:
    """Answer one byte at a time, each soon after the other, for far too long."""
    for byte in b"HTTP/1.1 200 OK\r\nX: ".ljust(60, b"x"):
        if over.wait(0.05):
            return
        try:
            peer.send(bytes([byte]))
        except OSError:
            return


async def _plain_groups(url: str, deadline: float) -> None:
    def ask() -> None:
        with Client(url, timeout=deadline) as client:
            client.groups()

    await in_thread(ask)


async def _async_groups(url: str, deadline: float) -> None:
    async with AsyncClient(url, timeout=deadline) as client:
        await client.groups()


both = pytest.mark.parametrize("groups", [_plain_groups, _async_groups])


@both
@pytest.mark.parametrize("serve", [say_nothing, trickle])
async def test_every_call_ends_by_its_deadline(groups: Any, serve: Any) -> None:
    with answering(serve) as url:
        began = time.monotonic()
        with pytest.raises(CoordinatorUnreachable, match=r"\(no answer within 0\.4 s\)"):
            await groups(url, 0.4)
        assert 0.35 < time.monotonic() - began < allowed_now(1.0)


@both
async def test_out_of_reach_names_the_url_and_the_cause(groups: Any) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CoordinatorUnreachable) as unreachable:
        await groups(url, 2.0)
    assert str(unreachable.value) == (
        f"no answer from {url} (connection refused); check that a coordinator runs there"
        " (musterd coordinator), or name another one"
    )
    with pytest.raises(CoordinatorUnreachable, match=r"no answer from http://no\.invalid:1 \("):
        await groups("http://no.invalid:1", 2.0)


@both
async def test_another_coordinator_answers_for_one_that_cannot(desk: DictDesk, groups: Any) -> None:
    async with served(desk) as url:
        await groups(f"http://127.0.0.1:{free_port()},{url}", 2.0)
        with answering(say_nothing) as hanging:
            await groups(f"{hanging},{url}", 1.0)


@both
async def test_a_server_of_another_kind_is_told_apart(groups: Any) -> None:
    def welcome(peer: socket.socket, over: threading.Event) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")

    with answering(welcome) as url, pytest.raises(CoordinatorError, match="check the URL") as told:
        await groups(url, 2.0)
    assert not isinstance(told.value, NotFound)


async def test_a_connection_closed_meanwhile_costs_no_call(desk: DictDesk) -> None:
    async with served(desk) as url:
        client = Client(url)
        await in_thread(client.groups)
    with client:
        async with served(desk, url.removeprefix("http://")):
            await in_thread(client.groups)


async def test_threads_share_a_client(desk: DictDesk) -> None:
    async with served(desk) as url:
        with Client(url) as client:
            seen: list[str] = []

            def ask(name: str) -> None:
                seen.extend(client.member("compute", name).member for _ in range(20))

            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(in_thread, partial(ask, f"h{number:04}"))
            assert sorted(seen) == sorted(f"h{number:04}" for number in range(8) for _ in range(20))


_FORKING = """
import os, sys
from musterd.client import Client
client = Client(sys.argv[1])
client.groups()
child = os.fork()
names = [f"h{number:04}" for number in range(0 if child else 1000, 1000 if child else 2000, 50)]
right = all(client.member("compute", name).member == name for name in names)
if not child:
    os._exit(0 if right else 1)
sys.exit(not right or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


async def test_a_fork_never_reads_the_answers_of_its_parent(desk: DictDesk) -> None:
    async with served(desk) as url:
        run = partial(subprocess.run, [sys.executable, "-c", _FORKING, url])
        assert (await in_thread(run)).returncode == 0


async def test_a_replica_answers_from_memory(desk: DictDesk) -> None:
    began = time.monotonic()
    async with served(desk) as url, Replica(url, "compute") as replica:
        assert not replica.is_up("h0000")  # nothing is known yet
        assert replica.age == float("inf")
        with in_time(5.0):
            await replica.wait_ready()
        assert replica.is_up("h0000")
        assert not replica.is_up("h0001")
        assert replica.is_down("h0001")
        assert replica.verdict("nobody") is None
        assert (replica.is_up("nobody"), replica.is_down("nobody")) == (False, False)
        assert len(replica.up()) == 2499
        assert (replica.listening, replica.problem, replica.version) == (True, None, desk.version)
        assert 0.25 <= replica.age <= 0.25 + time.monotonic() - began
        desk.put(Member("compute", "h0000"), state=State.DOWN)
        await until(lambda: replica.is_down("h0000"))
        await desk.forget("compute", "h0000")
        await until(lambda: replica.verdict("h0000") is None)
        assert len(replica.members()) == 2499


async def test_a_replica_says_when_the_coordinator_hears_nothing(desk: DictDesk) -> None:
    async with served(desk, ping_period=0.2) as url, Replica(url, "compute") as replica:
        with in_time(5.0):
            await replica.wait_ready()
        began = time.monotonic()
        desk.listen(False, 7.0)
        await until(lambda: not replica.listening)
        assert 7.0 <= replica.age <= 7.0 + time.monotonic() - began
        assert replica.is_up("h0000")
        desk.listen(False, None)
        await until(lambda: replica.age == float("inf"))
        desk.listen(True, 0.1)
        await until(lambda: replica.listening)


async def test_a_replica_keeps_its_view_and_says_how_old_it_is(desk: DictDesk) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    listen = url.removeprefix("http://")
    async with Replica(url, "compute") as replica:
        async with served(desk, listen):
            with in_time(10.0):
                await replica.wait_ready()
        await until(lambda: not replica.listening)
        age = replica.age
        await until(lambda: replica.age > age + 0.3)
        assert replica.is_up("h0000")
        assert replica.problem
        assert url in replica.problem
        # Another run counts its versions anew: what changed meanwhile must not be missed.
        again = DictDesk()
        again.put(Member("compute", "h0000"), state=State.DOWN)
        began = time.monotonic()
        async with served(again, listen):
            await until(lambda: replica.is_down("h0000"), within=10.0)
            assert replica.listening
            assert list(replica.members()) == ["h0000"]
            assert replica.age <= 0.25 + time.monotonic() - began


async def test_a_replica_follows_another_coordinator(desk: DictDesk) -> None:
    other = DictDesk()
    other.put(Member("compute", "other"))
    async with served(other) as second:
        async with served(desk) as first, Replica([first, second], "compute") as replica:
            with in_time(5.0):
                await replica.wait_ready()
            assert replica.is_up("h0000")
        async with Replica(f"http://127.0.0.1:{free_port()},{second}", "compute") as replica:
            await until(lambda: replica.is_up("other"))


async def test_a_replica_waits_for_a_group_to_come() -> None:
    desk = DictDesk()
    async with served(desk) as url, Replica(url, "compute") as replica:
        await until(lambda: replica.problem and "no group 'compute'" in replica.problem)
        desk.put(Member("compute", "h1"))
        await until(lambda: replica.is_up("h1"))
        await desk.forget("compute", "h1", force=True)
        await until(lambda: replica.members() == {})
        assert replica.listening


async def test_a_replica_gives_up_on_a_stream_that_is_silent(
    desk: DictDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musterd.client import follow as client_follow

    monkeypatch.setitem(client_follow._TIMEOUTS, "read", 0.3)
    async with served(desk) as url:
        with answering(say_nothing) as hanging:
            async with Replica([hanging, url], "compute") as replica:
                await until(lambda: replica.is_up("h0000"))
