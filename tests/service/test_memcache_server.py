"""The embedded store's server over real sockets: clients, crowds, and clients that mean harm."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import aiomcache
import anyio
import pytest
from anyio.abc import SocketStream

from musterd.errors import CannotListen, ConfigError
from musterd.stores.table.table import Table
from musterd.testing.busy import in_time
from musterd.testing.servers import HOST
from musterd_coordinator.memcache.server import ClientLimits, MemcacheServer, serve


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def server() -> AsyncIterator[MemcacheServer]:
    async with serve(HOST, 0, Table()) as server:
        yield server


class Client:
    """One raw connection."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.heard = b""

    async def say(self, text: bytes) -> None:
        with in_time(10):
            await self.stream.send(text)

    async def hear_until(self, end: bytes) -> bytes:
        with in_time(10):
            while not self.heard.endswith(end):
                self.heard += await self.stream.receive()
        heard, self.heard = self.heard, b""
        return heard

    async def ask(self, text: bytes, end: bytes = b"\r\n") -> bytes:
        await self.say(text)
        return await self.hear_until(end)

    async def is_hung_up_on(self) -> bool:
        with in_time(10):
            try:
                while True:
                    self.heard += await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return True


@asynccontextmanager
async def connect(server: MemcacheServer, local_host: str | None = None) -> AsyncIterator[Client]:
    with in_time(5):
        stream = await anyio.connect_tcp(server.host, server.port, local_host=local_host)
    async with stream:
        yield Client(stream)


async def stat(client: Client, name: str) -> int:
    lines = (await client.ask(b"stats\r\n", b"END\r\n")).decode().split("\r\n")
    return int(dict(line.split(" ")[1:] for line in lines if line.startswith("STAT"))[name])


async def test_serves_a_real_client_library(server: MemcacheServer) -> None:
    client = aiomcache.Client(HOST, server.port)
    try:
        assert await client.set(b"k", b"1", exptime=100)
        assert not await client.add(b"k", b"2")
        assert await client.append(b"k", b"0")
        assert await client.get(b"k") == b"10"
        assert await client.incr(b"k", 5) == 15
        value, unique = await client.gets(b"k")
        assert value == b"15"
        assert unique is not None
        assert await client.cas(b"k", b"16", unique)
        assert not await client.cas(b"k", b"17", unique)
        assert await client.multi_get(b"k", b"none") == (b"16", None)
        assert await client.touch(b"k", 50)
        assert await client.delete(b"k")
        assert not await client.replace(b"k", b"")
        assert (await client.version()).startswith(b"1.6.18-musterd-")  # libmemcached wants a 1
        assert b"curr_connections" in await client.stats()
        await client.flush_all()
    finally:
        await client.close()


async def test_answers_a_pipeline_in_order(server: MemcacheServer) -> None:
    count = 20_000
    async with connect(server) as client, anyio.create_task_group() as tasks:
        text = [b"set k 0 0 5\r\n%05d\r\nget k\r\n" % number for number in range(count)]
        tasks.start_soon(client.say, b"".join(text))
        expected = [b"STORED\r\nVALUE k 0 5\r\n%05d\r\nEND\r\n" % number for number in range(count)]
        assert await client.hear_until(expected[-1]) == b"".join(expected)


async def test_gives_what_was_asked_before_a_half_close(server: MemcacheServer) -> None:
    async with connect(server) as client:
        await client.say(b"version\r\nverbosity 0\r\n" * 500)
        await client.stream.send_eof()
        assert await client.is_hung_up_on()
        assert client.heard.count(b"OK\r\n") == 500


async def test_a_client_that_reads_nothing_stops_only_itself(server: MemcacheServer) -> None:
    async with connect(server) as deaf, connect(server) as other:
        await deaf.ask(b"set k 0 0 1000000\r\n" + bytes(1_000_000) + b"\r\n")
        await deaf.say(b"get k\r\n" * 5000)
        for _ in range(20):
            assert await other.ask(b"verbosity 0\r\n") == b"OK\r\n"
        assert await stat(other, "waiting_bytes") < 4_000_000
        reply = b"VALUE k 0 1000000\r\n" + bytes(1_000_000) + b"\r\nEND\r\n"
        heard = bytearray()
        with in_time(20):
            while len(heard) < 20 * len(reply):
                heard += await deaf.stream.receive()
        assert heard.startswith(reply * 20)


async def test_reads_no_more_from_a_client_that_reads_nothing(server: MemcacheServer) -> None:
    async with connect(server) as deaf, connect(server) as other:
        await deaf.ask(b"set k 0 0 1000000\r\n" + bytes(1_000_000) + b"\r\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deaf.say, b"get k\r\n" * 5_000_000)
            for _ in range(200):
                assert await stat(other, "waiting_bytes") < 4_000_000
            tasks.cancel_scope.cancel()


async def test_the_first_answer_that_is_not_read_is_counted(server: MemcacheServer) -> None:
    value, asked, waiting = bytes(100_000), 0, 0
    async with connect(server) as deaf, connect(server) as other:
        await deaf.ask(b"set k 0 0 100000\r\n" + value + b"\r\n")
        while not waiting:  # the system takes some megabytes before
            await deaf.say(b"get k\r\n")
            asked += 1
            waiting = await stat(other, "waiting_bytes")
        assert waiting < 200_000
        left = asked * len(b"VALUE k 0 100000\r\n" + value + b"\r\nEND\r\n")
        with in_time(20):
            while left:
                left -= len(await deaf.stream.receive())
        await deaf.ask(b"verbosity 0\r\n")
        assert await stat(other, "waiting_bytes") == 0


async def test_gives_up_on_a_client_that_reads_nothing_for_long() -> None:
    limits = ClientLimits(unread_time=0.1)
    async with serve(HOST, 0, Table(), limits) as server, connect(server) as deaf:
        await deaf.ask(b"set k 0 0 1000000\r\n" + bytes(1_000_000) + b"\r\n")
        await deaf.say(b"get k\r\n" * 100)
        async with connect(server) as other:
            with in_time(5):
                while await stat(other, "curr_connections") > 1:
                    await anyio.lowlevel.checkpoint()
            assert await stat(other, "waiting_bytes") < 1000


async def test_a_greedy_get_does_not_stall_the_others(server: MemcacheServer) -> None:
    async with connect(server) as greedy, connect(server) as other:
        await greedy.ask(b"set k 0 0 10\r\n0123456789\r\n")
        await greedy.say(b"get" + b" k" * 500_000 + b"\r\n")
        slowest = 0.0  # of this thread's own work, which is the server's and its clients'
        for _ in range(200):
            began = time.thread_time()
            await other.ask(b"verbosity 0\r\n")
            slowest = max(slowest, time.thread_time() - began)
        assert slowest < 0.5


async def test_all_that_waits_has_a_common_limit() -> None:
    limits = ClientLimits(waiting_bytes=3_000_000)
    async with serve(HOST, 0, Table(), limits) as server, connect(server) as honest:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(upload_half, server)
            with in_time(10):
                while await stat(honest, "total_connections") < 11:
                    await anyio.lowlevel.checkpoint()
                while await stat(honest, "curr_connections") > 4:
                    assert await stat(honest, "waiting_bytes") <= 3_000_000
            tasks.cancel_scope.cancel()
        assert await honest.ask(b"set k 0 0 500000\r\n" + bytes(500_000) + b"\r\n") == b"STORED\r\n"


async def upload_half(server: MemcacheServer) -> None:
    async with connect(server) as client:
        try:
            await client.say(b"set k 0 0 1000000\r\n" + bytes(999_000))
        except anyio.BrokenResourceError:
            return
        await client.is_hung_up_on()


async def test_one_address_never_keeps_out_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    async with serve(HOST, 0, Table(), ClientLimits(connections=4)) as server:
        async with connect(server) as first, connect(server) as second:
            await first.ask(b"version\r\n")
            await second.ask(b"version\r\n")
            for _ in range(3):
                async with connect(server) as third:
                    assert await third.is_hung_up_on()
            async with connect(server, local_host="127.0.0.2") as other:
                assert await other.ask(b"version\r\n")
        while server.connections:  # noqa: ASYNC110  # has no event
            await anyio.sleep(0.01)
        async with connect(server) as fourth:
            assert await fourth.ask(b"version\r\n")
    assert capsys.readouterr().out.count("address full") == 1


async def test_a_client_of_the_binary_protocol_is_told_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with serve(HOST, 0, Table()) as server:
        for _ in range(5):
            async with connect(server) as client:
                await client.say(b"\x80\x0a" + bytes(22))
                assert await client.is_hung_up_on()
    assert capsys.readouterr().out.count("client speaks the binary protocol") == 1


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"stats conns\r\n", b"END\r\n"),
        (b"stats detail dump\r\n", b"END\r\n"),
        (b"cache_memlimit 64\r\n", b"OK\r\n"),
        (b"mn\r\n", b"MN\r\n"),
    ],
)
async def test_what_tools_of_memcached_ask(
    server: MemcacheServer, command: bytes, reply: bytes
) -> None:
    async with connect(server) as client:
        assert await client.ask(command, reply) == reply


async def test_refuses_more_connections_than_its_limit() -> None:
    limits = ClientLimits(connections=2, per_address=1.0)
    async with serve(HOST, 0, Table(), limits) as server, connect(server) as first:
        async with connect(server) as second:
            await first.ask(b"version\r\n")
            await second.ask(b"version\r\n")
            async with connect(server) as third:
                assert await third.is_hung_up_on()
                assert third.heard == b"ERROR Too many open connections\r\n"
            assert await stat(first, "rejected_connections") == 1
        with in_time(5):
            while await stat(first, "curr_connections") > 1:
                await anyio.lowlevel.checkpoint()
        async with connect(server) as fourth:
            assert await fourth.ask(b"verbosity 0\r\n") == b"OK\r\n"


async def test_garbage_hurts_nobody(server: MemcacheServer) -> None:
    async with connect(server) as other:
        for garbage in (bytes(range(256)) * 100, b"\x80" * 24, b"\r\n" * 50_000, b"x" * 100_000):
            async with connect(server) as client:
                try:
                    await client.say(garbage)
                    await client.stream.send_eof()
                except anyio.BrokenResourceError:
                    pass
                assert await client.is_hung_up_on()
        assert await other.ask(b"verbosity 0\r\n") == b"OK\r\n"


async def test_idle_connections_hold_nothing(server: MemcacheServer) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection((HOST, server.port), 5))
            await anyio.lowlevel.checkpoint()
        async with connect(server) as client:
            with in_time(5):
                while await stat(client, "curr_connections") < 301:
                    await anyio.lowlevel.checkpoint()
            assert await stat(client, "waiting_bytes") == 0


async def test_stops_at_once_and_frees_its_port() -> None:
    async with serve(HOST, 0, Table()) as server:
        port = server.port
        async with connect(server) as idle, connect(server) as deaf:
            await deaf.ask(b"set k 0 0 1000000\r\n" + bytes(1_000_000) + b"\r\n")
            await deaf.say(b"get k\r\n" * 100)
            while await stat(idle, "waiting_bytes") < 500_000:
                pass
            began = anyio.current_time()
            await server.aclose()
            await server.aclose()
            assert anyio.current_time() - began < 1.0
            assert await idle.is_hung_up_on()
            assert await deaf.is_hung_up_on()
    async with serve(HOST, port, Table()) as again:
        assert again.port == port


async def test_says_what_to_do_about_a_port_in_use(server: MemcacheServer) -> None:
    with pytest.raises(CannotListen) as caught:
        async with serve(HOST, server.port, Table(), patience=0):
            pass
    assert f"{HOST}:{server.port}" in str(caught.value)
    assert "another server listens there" in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("no such host", 0), (HOST, 70000)])
async def test_says_what_to_do_about_a_bad_address(host: str, port: int) -> None:
    error = ConfigError if port == 70000 else CannotListen  # no port comes late
    with pytest.raises(error, match="choose another host and port"):
        async with serve(host, port, Table(), patience=0):
            pass


async def test_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with serve(HOST, 0, Table()) as server, connect(server) as client:
        await client.ask(b"version\r\n")
    assert asyncio.all_tasks() == before
