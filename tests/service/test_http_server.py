"""The HTTP server on real sockets: bounded requests, bounded readers, a bounded stop."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import anyio
import pytest

from musterd.client import AsyncClient
from musterd.errors import CannotListen
from musterd.model import FactsChange, Member, MemberAnswer
from musterd_coordinator import patience
from musterd_coordinator.http import connection, make_app, serve_http
from tests.http_desk import DictDesk
from tests.http_serving import served


@pytest.fixture
def desk() -> DictDesk:
    """Two members."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"))
    return desk


@contextmanager
def connected(url: str, *, buffer: int | None = None) -> Iterator[socket.socket]:
    """A bare connection; ``buffer`` is how many bytes it receives before it is full."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as peer:
        if buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        peer.connect((host, int(port)))
        peer.settimeout(5.0)
        yield peer


async def receive(peer: socket.socket) -> bytes:
    """What came; empty at the end of the connection."""
    return await anyio.to_thread.run_sync(peer.recv, 65536)


async def receive_all(peer: socket.socket, end: bytes) -> bytes:
    """What came, until it ends with ``end``; the head and the body may come apart."""
    got = b""
    while not got.endswith(end):
        piece = await receive(peer)
        assert piece, got
        got += piece
    return got


async def test_requests_share_a_connection(desk: DictDesk) -> None:
    async with served(desk) as url:
        with connected(url) as peer:
            for method in (b"GET", b"HEAD", b"GET"):
                peer.sendall(method + b" /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                end = b"\r\n\r\n" if method == b"HEAD" else b"alive\n"
                answer = await receive_all(peer, end)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"content-length: 6\r\n" in answer
                assert b"server:" not in answer


async def test_the_signals_of_the_process_are_left_alone(desk: DictDesk) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served(desk) as url, AsyncClient(url) as client:
        await client.groups()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_port_in_use_is_said_before_anything_starts(
    desk: DictDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    async with served(desk) as url, anyio.create_task_group() as tasks:
        with pytest.raises(CannotListen, match="another program listens there"):
            await tasks.start(serve_http, make_app(desk), url.removeprefix("http://"))


async def test_the_port_is_free_again_at_once(desk: DictDesk) -> None:
    async with served(desk) as url, AsyncClient(url) as client:
        await client.groups()
    async with served(desk, url.removeprefix("http://")) as again, AsyncClient(again) as client:
        await client.groups()


class _SlowDesk(DictDesk):
    async def change_facts(self, group: str, member: str, change: FactsChange) -> MemberAnswer:
        await anyio.sleep_forever()
        raise AssertionError


async def test_it_stops_in_time_whoever_is_connected() -> None:
    desk = _SlowDesk()
    desk.put(*[Member("compute", f"h{number}") for number in range(20_000)])
    hanging = b'{"disabled":true}'
    requests = [
        b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PATCH /v1/groups/compute/members/h1 HTTP/1.1\r\nHost: localhost\r\n"
        + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(hanging)
        + hanging,
        b"GET /v1/gro",
        b"",
    ]
    with ExitStack() as peers:
        async with served(desk) as url:
            for request in requests:
                peer = peers.enter_context(connected(url, buffer=4096))
                peer.sendall(request)
            await _readers(url, 1)
            began = time.monotonic()
        assert time.monotonic() - began < 1.6


async def test_it_stops_at_once_when_only_events_are_open(desk: DictDesk) -> None:
    with ExitStack() as peers:
        async with served(desk) as url:
            peer = peers.enter_context(connected(url))
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await receive(peer)
            began = time.monotonic()
        assert time.monotonic() - began < 0.8


async def test_a_head_without_an_end_is_refused(desk: DictDesk) -> None:
    async with served(desk) as url:
        with connected(url) as peer:
            await anyio.to_thread.run_sync(peer.sendall, b"GET / HTTP/1.1\r\nX: " + b"x" * 500_000)
            assert (await receive(peer)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", b"GET /v1/groups HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    desk: DictDesk, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 0.2)
    async with served(desk) as url:
        with connected(url) as peer:
            peer.sendall(begun)
            with suppress(ConnectionResetError):
                assert await receive(peer) == b""


async def test_an_idle_connection_is_kept_beyond_the_time_for_a_head(
    desk: DictDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 0.1)
    async with served(desk) as url:
        with connected(url) as peer:
            for _ in range(2):
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await receive_all(peer, b"alive\n")
                await anyio.sleep(0.3)


async def test_a_reader_that_takes_nothing_is_cut_off(
    desk: DictDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "UNREAD_TIMEOUT", 0.5)
    desk.put(*[Member("compute", f"{number}{'x' * 200}") for number in range(30_000)])
    async with served(desk) as url, AsyncClient(url) as client:
        with connected(url, buffer=4096) as peer:
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await _readers(url, 1)
            await _readers(url, 0)
        await client.groups()


async def _readers(url: str, number: int) -> None:
    with anyio.fail_after(8.0):
        while f"musterd_event_readers {number}\n".encode() not in await _metrics(url):  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def _metrics(url: str) -> bytes:
    with connected(url) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = b""
        while piece := await receive(peer):
            page += piece
        return page
