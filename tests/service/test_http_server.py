"""The HTTP server on real sockets: bounded requests, bounded readers, a bounded stop."""

import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial

import anyio
import pytest

from musterd.answers import MemberAnswer
from musterd.client import AsyncClient
from musterd.errors import CannotListen, CoordinatorUnreachable
from musterd.model import FactsChange, Member
from musterd.orders import UNTOLD, Origin
from musterd.testing.busy import allowed_now, in_time
from musterd_coordinator.http import make_app, serve_http
from musterd_coordinator.http.connection import Connection
from musterd_coordinator.http.limits import HttpLimits
from tests.http_desk import DictDesk
from tests.http_serving import served, served_app, until


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


async def test_a_small_answer_is_one_piece(desk: DictDesk) -> None:
    async with served(desk) as url:
        with connected(url) as peer:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await receive(peer)).endswith(b"\r\n\r\nalive\n")


async def test_the_signals_of_the_process_are_left_alone(desk: DictDesk) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served(desk) as url, AsyncClient(url) as client:
        await client.groups()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_port_in_use_is_said_before_anything_starts(
    desk: DictDesk,
) -> None:
    async with served(desk) as url, anyio.create_task_group() as tasks:
        again = partial(serve_http, make_app(desk), url.removeprefix("http://"), patience=0.0)
        with pytest.raises(CannotListen, match="another program listens there"):
            await tasks.start(again)


async def test_the_port_is_free_again_at_once(desk: DictDesk) -> None:
    async with served(desk) as url, AsyncClient(url) as client:
        await client.groups()
    async with served(desk, url.removeprefix("http://")) as again, AsyncClient(again) as client:
        await client.groups()


class _SlowDesk(DictDesk):
    async def change_facts(
        self, group: str, member: str, change: FactsChange, origin: Origin = UNTOLD
    ) -> MemberAnswer:
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
        assert time.monotonic() - began < allowed_now(10)  # it would wait for ever


async def test_it_stops_at_once_when_only_events_are_open(desk: DictDesk) -> None:
    with ExitStack() as peers:
        async with served(desk) as url:
            peer = peers.enter_context(connected(url))
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await receive(peer)
            began = time.monotonic()
        assert time.monotonic() - began < allowed_now(10)


async def test_a_head_without_an_end_is_refused(desk: DictDesk) -> None:
    async with served(desk) as url:
        with connected(url) as peer:
            await anyio.to_thread.run_sync(peer.sendall, b"GET / HTTP/1.1\r\nX: " + b"x" * 500_000)
            assert (await receive(peer)).startswith(b"HTTP/1.1 431 ")


class Hasty(Connection):
    """Waits for a head for as long as a test may take."""

    head_timeout = 0.2


class Unread(Connection):
    """Waits as short for whoever takes nothing."""

    unread_timeout = 0.5
    take_timeout = 0.3


class Terse(Connection):
    """Takes fewer bytes that mean nothing."""

    nothing_bytes = 100_000


@pytest.mark.parametrize("begun", [b"", b"GET /v1/groups HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(desk: DictDesk, begun: bytes) -> None:
    async with served(desk, connection=Hasty) as url:
        with connected(url) as peer:
            peer.sendall(begun)
            with suppress(ConnectionResetError):
                assert await receive(peer) == b""


async def test_an_idle_connection_is_kept_beyond_the_time_for_a_head(
    desk: DictDesk,
) -> None:
    async with served(desk, connection=Hasty) as url:
        with connected(url) as peer:
            for _ in range(2):
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await receive_all(peer, b"alive\n")
                await anyio.sleep(2 * Hasty.head_timeout)


async def test_a_reader_that_takes_nothing_is_cut_off(desk: DictDesk) -> None:
    desk.put(*[Member("compute", f"{number}{'x' * 200}") for number in range(10_000)])
    async with served(desk, connection=Unread) as url, AsyncClient(url) as client:
        with connected(url, buffer=4096) as peer:
            peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await receive(peer)).startswith(b"HTTP/1.1 200 ")  # and it takes no more
            await _readers(url, 0)
        await client.groups()


async def _readers(url: str, number: int) -> None:
    with in_time(8.0):
        while f"musterd_event_readers {number}.0\n".encode() not in await _metrics(url):  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def _metrics(url: str) -> bytes:
    with connected(url) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = b""
        while piece := await receive(peer):
            page += piece
        return page


@asynccontextmanager
async def bounded(
    desk: DictDesk, limits: HttpLimits, connection: type[Connection] = Connection
) -> AsyncIterator[str]:
    """Serve ``desk`` within these limits."""
    app = make_app(desk, limits=limits)
    async with served_app(app, "127.0.0.1:0", connection=connection) as url:
        yield url


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_idle_connections_make_room_for_others(desk: DictDesk) -> None:
    async with bounded(desk, HttpLimits(connections=8, connections_each=5)) as url:
        with ExitStack() as peers:
            idle = [peers.enter_context(connected(url)) for _ in range(5)]
            for peer in idle:
                peer.sendall(HEALTH)
                await receive_all(peer, b"alive\n")
            async with AsyncClient(url) as client:
                await client.groups()
            assert await receive(idle[0]) == b""  # the one that was idle for longest
            idle[4].sendall(HEALTH)
            await receive_all(idle[4], b"alive\n")


async def test_who_finds_no_room_is_told(desk: DictDesk) -> None:
    desk.put(Member("compute", "h3"))
    async with bounded(desk, HttpLimits(connections=8, connections_each=2, readers=1000)) as url:
        with ExitStack() as peers:
            for _ in range(2):
                peer = peers.enter_context(connected(url))
                peer.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert await receive(peer)
            with connected(url) as peer:
                answer = await receive_all(peer, b"try again later\n")
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"connection: close\r\n" in answer
                assert await receive(peer) == b""
            with pytest.raises(CoordinatorUnreachable, match="it has too many callers"):
                async with AsyncClient(url) as client:
                    await client.groups()


async def test_a_large_head_is_refused_though_it_comes_at_once(desk: DictDesk) -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: " + b"x" * 90_000 + b"\r\n\r\n"
    many = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 9000 + b"\r\n"
    async with served(desk) as url:
        for request in (head, many):
            with connected(url) as peer:
                await anyio.to_thread.run_sync(peer.sendall, request)
                assert (await receive(peer)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
async def test_what_is_no_plain_request_is_refused_and_hung_up_on(
    desk: DictDesk, request_head: bytes, status: int
) -> None:
    async with served(desk) as url:
        with connected(url) as peer:
            peer.sendall(request_head)
            answer = await receive_all(peer, b"}")
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert b"application/problem+json" in answer
            assert await receive(peer) == b""


async def test_what_follows_a_body_without_an_end_is_cut_off(
    desk: DictDesk,
) -> None:
    begun = (
        b"POST /v1/groups/compute/query HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    )
    async with served(desk, connection=Terse) as url:
        with connected(url) as peer:
            with suppress(ConnectionError):
                await anyio.to_thread.run_sync(peer.sendall, begun + b"x" * 1_000_000)
            with suppress(ConnectionError):
                while await receive(peer):
                    pass


async def test_an_answer_that_is_not_taken_is_cut_off(desk: DictDesk) -> None:
    desk.put(*[Member("compute", f"{number}{'x' * 200}") for number in range(1000)])
    page = b"GET /v1/groups/compute/members HTTP/1.1\r\nHost: localhost\r\n\r\n"
    app = make_app(desk, limits=HttpLimits(unsent=4 * 1024 * 1024))
    unsent, when_cut_off = app.gauges.room.unsent, list[int]()

    class Watched(Unread):
        def connection_lost(self, exc: Exception | None) -> None:
            when_cut_off.append(unsent.taken)
            super().connection_lost(exc)

    async with served_app(app, "127.0.0.1:0", connection=Watched) as url:
        with connected(url, buffer=4096) as peer:
            peer.sendall(page)
            await until(lambda: when_cut_off)
            await until(lambda: unsent.taken == 0)
            assert b"\nmusterd_http_unsent_bytes 0.0\n" in await _metrics(url)
    assert when_cut_off[0] > 100_000


async def test_a_large_body_that_comes_with_its_head_is_no_large_head(desk: DictDesk) -> None:
    body = b'{"members": ["h1"' + b" " * 150_000 + b"]}"
    head = (
        b"POST /v1/groups/compute/query HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    async with served(desk) as url:
        with connected(url) as peer:
            for _ in range(2):
                await anyio.to_thread.run_sync(peer.sendall, HEALTH + head + body)
                answer = await receive_all(peer, b"null}")
                assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_large_head_behind_a_small_request_is_refused(desk: DictDesk) -> None:
    large = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 9000 + b"\r\n"
    async with served(desk) as url:
        with connected(url) as peer, suppress(ConnectionError):
            await anyio.to_thread.run_sync(peer.sendall, HEALTH + large)
            got = b""
            while piece := await receive(peer):
                got += piece
            assert got.count(b"HTTP/1.1 200 ") <= 1
