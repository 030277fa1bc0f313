"""The cutting proxy between a client and an echo server: every fault is what it says it is."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketStream
from hypothesis import given
from hypothesis import strategies as st

from musterd.testing import CuttingProxy, Ending, Lane
from musterd.testing.busy import in_time


async def echo(stream: SocketStream) -> None:
    async with stream:
        try:
            async for data in stream:
                await stream.send(data)
        except anyio.BrokenResourceError:
            pass


@pytest.fixture
async def proxy() -> AsyncIterator[CuttingProxy]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with CuttingProxy("127.0.0.1", port) as proxy:
            yield proxy
        tasks.cancel_scope.cancel()


async def connect(proxy: CuttingProxy) -> SocketStream:
    with in_time(5):
        return await anyio.connect_tcp(proxy.host, proxy.port)


async def ask(client: SocketStream, question: bytes = b"hello") -> bytes:
    with in_time(5):
        await client.send(question)
        reply = b""
        while len(reply) < len(question):
            reply += await client.receive()
        return reply


async def hears_nothing(client: SocketStream, seconds: float = 0.05) -> bool:
    with anyio.move_on_after(seconds):
        await client.receive()
        return False
    return True


async def is_reset(client: SocketStream) -> bool:
    with in_time(5), pytest.raises(anyio.BrokenResourceError) as caught:
        await client.receive()
    return isinstance(caught.value.__cause__, ConnectionResetError)


async def test_passes_bytes_and_counts_them(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        assert await ask(client, bytes(300_000)) == bytes(300_000)
        assert (proxy.accepted, proxy.connections) == (1, 1)
    lanes = (proxy.requests, proxy.replies)
    assert [(lane.received, lane.passed) for lane in lanes] == [(300_000, 300_000)] * 2


async def test_passes_the_end_of_what_is_said(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        await client.send(b"last words")
        await client.send_eof()
        with in_time(5):
            assert await client.receive() == b"last words"
            with pytest.raises(anyio.EndOfStream):
                await client.receive()


async def test_adds_latency_without_slowing_the_stream(proxy: CuttingProxy) -> None:
    proxy.replies.delay(0.1)
    async with await connect(proxy) as client:
        began = anyio.current_time()
        await ask(client, bytes(4_000_000))
        assert 0.1 <= anyio.current_time() - began < 3.0


@pytest.mark.parametrize("lane", ["requests", "replies"])
async def test_a_black_hole_swallows_one_direction(proxy: CuttingProxy, lane: str) -> None:
    async with await connect(proxy) as client:
        assert await ask(client) == b"hello"
        getattr(proxy, lane).drop()
        await client.send(b"lost")
        assert await hears_nothing(client)
        proxy.heal()
        assert await ask(client, b"found") == b"found"
    assert proxy.replies.received == (14 if lane == "replies" else 10)


async def test_a_stall_loses_nothing(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        proxy.replies.stall()
        await client.send(b"early ")
        assert await hears_nothing(client)
        proxy.replies.flow()
        with in_time(5):
            assert await client.receive() == b"early "


async def test_a_stall_reaches_the_sender(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        proxy.requests.stall()
        with anyio.move_on_after(0.3) as scope:
            for _ in range(1000):
                await client.send(bytes(1 << 20))
        assert scope.cancelled_caught
        assert proxy.requests.received < 16 << 20


async def test_resets_everybody_now(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as first, await connect(proxy) as second:
        await ask(first)
        await ask(second)
        proxy.reset_all()
        assert await is_reset(first)
        assert await is_reset(second)
        async with await connect(proxy) as third:
            assert await ask(third) == b"hello"


async def test_a_reset_ends_what_is_stalled(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        await ask(client)
        proxy.replies.stall()
        await client.send(b"hello")
        assert await hears_nothing(client)
        proxy.reset_all()
        assert await is_reset(client)
        with in_time(5):
            while proxy.connections:
                await anyio.lowlevel.checkpoint()


async def test_cuts_in_the_middle_of_a_reply(proxy: CuttingProxy) -> None:
    proxy.replies.reset_after(3)
    async with await connect(proxy) as client, await connect(proxy) as later:
        await client.send(b"hello")
        with in_time(5):
            assert await client.receive() == b"hel"
        assert await is_reset(client)
        assert await ask(later) == b"hello"


async def test_truncates_a_reply(proxy: CuttingProxy) -> None:
    proxy.replies.close_after(3)
    async with await connect(proxy) as client:
        await client.send(b"hello")
        with in_time(5):
            assert await client.receive() == b"hel"
            with pytest.raises(anyio.EndOfStream):
                await client.receive()


async def test_gives_garbage(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        proxy.replies.replace(b"GARBAGE")
        assert await ask(client, b"1234567") == b"GARBAGE"
        proxy.replies.corrupt()
        assert await ask(client, b"\x00\x0f") == b"\xff\xf0"
        proxy.replies.change(bytes.upper)
        assert await ask(client) == b"HELLO"


async def test_refuses_new_connections_and_keeps_its_port(proxy: CuttingProxy) -> None:
    async with await connect(proxy) as client:
        proxy.refuse_new()
        with pytest.raises(OSError, match="connect"):
            await connect(proxy)
        assert await ask(client) == b"hello"
        proxy.accept_new()
        async with await connect(proxy) as late:
            assert await ask(late) == b"hello"


async def test_ignores_new_connections(proxy: CuttingProxy) -> None:
    proxy.ignore_new()
    async with await connect(proxy) as client:
        await client.send(b"hello")
        assert await hears_nothing(client)
        assert proxy.accepted == 0
        proxy.heal()
        with in_time(5):
            assert await client.receive() == b"hello"


async def test_limits_how_many_may_be_connected(proxy: CuttingProxy) -> None:
    proxy.limit(1)
    async with await connect(proxy) as first:
        await ask(first)
        with pytest.raises((OSError, anyio.BrokenResourceError)):
            async with await connect(proxy) as second:
                await ask(second)
        assert await ask(first) == b"hello"


async def test_resets_clients_of_a_server_that_is_not_there() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with CuttingProxy("127.0.0.1", port) as proxy, await connect(proxy) as client:
            assert await is_reset(client)


async def test_leaves_no_task_and_no_socket_behind(proxy: CuttingProxy) -> None:
    before = len(asyncio.all_tasks())
    async with CuttingProxy(proxy.host, proxy.port) as outer:
        clients = [await connect(outer) for _ in range(5)]
        for client in clients:
            await ask(client)
        outer.requests.stall()
        outer.replies.delay(60)
        await clients[0].send(b"under way")
    for client in clients:
        await client.aclose()
    with in_time(5):
        while len(asyncio.all_tasks()) > before:
            await anyio.lowlevel.checkpoint()
    with pytest.raises(OSError, match="connect"):
        await connect(outer)
    gc.collect()  # an unclosed socket would warn, and warnings are errors


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1), st.integers(0, 100))
def test_a_cut_passes_exactly_what_it_should(chunks: list[bytes], count: int) -> None:
    lane = Lane()
    lane.close_after(count)
    passed, ending = b"", None
    for chunk in chunks:
        part, ending = lane.treat(chunk)
        passed += part
        if ending is not None:
            break
    sent = b"".join(chunks)
    assert passed == sent[:count]
    assert ending is (Ending.CLOSE if len(sent) >= count else None)
