"""An agent's connection to memcached: what aiomcache does alone, and what ours does instead."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiomcache
import anyio
import pytest

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.testing.busy import in_time
from musterd.testing.servers import Memcached
from tests.conftest import StartMemcached

KEY, OTHER = b"fleet:b:00000001", b"fleet:b:00000002"
TIMEOUT = 5.0


class Scripted:
    """A server on loopback that answers command by command what it was told to."""

    def __init__(self, *replies: bytes, greeting: bytes = b"", hang_up: bool = False) -> None:
        self._replies = list(replies)
        self._greeting = greeting
        self._hang_up = hang_up
        self.connections = 0
        self.said: list[bytes] = []
        self.greeted = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[MemcachedConnection]:
        """Serve a connection of ours; close both in the end."""
        async with self.listen() as server, await_closed(MemcachedConnection(server)) as ours:
            yield ours

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[ServerAddress]:
        """Serve whoever comes."""
        listener = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield ServerAddress(*listener.sockets[0].getsockname()[:2])
        finally:
            listener.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self._greeting)
        self.greeted.set()
        with suppress(ConnectionError, asyncio.CancelledError):
            while self._replies and (line := await reader.readline()):
                self.said.append(line)
                if line.startswith(b"set"):
                    await reader.readline()
                writer.write(self._replies.pop(0))
            if not self._hang_up:
                await reader.read()
        writer.close()


@asynccontextmanager
async def await_closed(connection: MemcachedConnection) -> AsyncIterator[MemcachedConnection]:
    try:
        with in_time(TIMEOUT):
            yield connection
    finally:
        connection.close()
        await asyncio.sleep(0)  # the transport tells its protocol


SPINNING = """
import aiomcache, asyncio, signal
async def main():
    async def hang_up(reader, writer):
        await reader.readline()
        writer.close()
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    client = aiomcache.Client(*server.sockets[0].getsockname())
    signal.setitimer(signal.ITIMER_PROF, 0.6)
    await asyncio.wait_for(client.delete(b"key"), 0.5)
asyncio.run(main())
"""


def test_aiomcache_alone_spins_when_the_server_hangs_up() -> None:
    """It reads the end of the stream for ever, and never yields: no timeout can fire."""
    done = subprocess.run([sys.executable, "-c", SPINNING], check=False)
    assert done.returncode == -signal.SIGPROF


async def test_a_server_that_hangs_up_in_mid_command() -> None:
    for start in (b"", b"DEL", b"DELETED"):
        async with Scripted(start, hang_up=True).serve() as ours:
            with pytest.raises(ShardUnavailable, match="closed by the server"):
                await ours.delete(KEY)


async def test_aiomcache_alone_gives_one_reply_to_another_call(memcached: Memcached) -> None:
    """After a cancellation, for as long as the connection lives."""
    client = aiomcache.Client(memcached.host, memcached.port, pool_size=1)
    await client.set(KEY, b"mine")
    await client.set(OTHER, b"other")
    memcached.pause()
    with anyio.move_on_after(0.05):
        await client.get(KEY)
    memcached.resume()
    assert await client.get(OTHER) is None  # it is there
    await client.close()


async def test_a_cancelled_call_takes_its_connection_with_it(memcached: Memcached) -> None:
    async with await_closed(MemcachedConnection(server_of(memcached))) as ours:
        await ours.set(KEY, b"mine")
        await ours.set(OTHER, b"other")
        memcached.pause()
        with anyio.move_on_after(0.05):
            await ours.gets(KEY)
        memcached.resume()
        assert (await ours.gets(OTHER))[0] == b"other"
        assert (await ours.gets(KEY))[0] == b"mine"


async def test_aiomcache_alone_takes_another_key_for_an_absent_one() -> None:
    reply = b"VALUE " + OTHER + b" 0 5\r\nother\r\nEND\r\n"
    async with Scripted(reply).listen() as server:
        client = aiomcache.Client(*server)
        assert await client.get(KEY) is None
        await client.close()


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (b"VALUE " + OTHER + b" 0 5 9\r\nother\r\nEND\r\n", "reply for another key"),
        (b"VALUE " + KEY + b" 0 5 9\r\nother\r\nEND\r\nEND\r\n", "more than one reply"),
        (b"VALUE " + KEY + b" 0 -7\r\n", "a value of -5 bytes"),
        (b"VALUE " + KEY + b" 0 many\r\n", "reply is not memcached's"),
        (b"VALUE " + KEY + b" 0\r\n", "reply is not memcached's"),
        (b"VALUE " + KEY + b" x 5 9\r\nother\r\nEND\r\n", "reply is not memcached's"),
        (b"STORED\r\n", "reply is not memcached's: 'STORED'"),
        (b"\r\n", "reply is not memcached's"),
        (b"END\n", "reply is not memcached's: 'END'"),
        (b"\xff\x00\x1b[31m\r\n", r"reply is not memcached's: '[^\x1b]*'"),
        (b"x" * 100_000, "reply is not memcached's"),
    ],
)
async def test_replies_that_make_no_sense(reply: bytes, complaint: str) -> None:
    scripted = Scripted(reply, b"END\r\n")
    async with scripted.serve() as ours:
        with pytest.raises(ShardCorrupt, match=complaint):
            await ours.gets(KEY)
        assert await ours.gets(KEY) == (None, 0)  # on a new connection
        assert scripted.connections == 2
    scripted = Scripted(reply.replace(b" 5 9\r\n", b" 5\r\n"), b"END\r\n")
    async with scripted.serve() as ours:
        with pytest.raises(ShardCorrupt, match=complaint):
            await ours.get_many(KEY)
        assert await ours.get_many(KEY) == [None]


async def test_flags_are_no_fault_of_the_server() -> None:
    """Anybody may have set them; what is said is the value."""
    reply = b"VALUE " + KEY + b" 7 5 9\r\nother\r\nEND\r\n"
    async with Scripted(reply, reply.replace(b" 9", b"")).serve() as ours:
        assert await ours.gets(KEY) == (b"other", 9)
        assert await ours.get_many(KEY) == [b"other"]


async def test_many_keys_is_one_round_trip() -> None:
    found = b"VALUE " + OTHER + b" 0 5\r\nEND\r\n\r\nEND\r\n"
    async with Scripted(found, b"END\r\n").serve() as ours:
        assert await ours.get_many(KEY, OTHER) == [None, b"END\r\n"]
        assert await ours.get_many(KEY, OTHER) == [None, None]


async def test_the_value_that_is_too_large_is_the_one_that_is_removed() -> None:
    found = b"VALUE " + OTHER + b" 0 70000\r\n" + bytes(70_000)
    scripted = Scripted(found, b"DELETED\r\n")
    async with scripted.serve() as ours:
        assert await ours.get_many(KEY, OTHER) == [None, None]
    assert scripted.said[1] == b"delete " + OTHER + b"\r\n"


@pytest.mark.parametrize("size", [70_000, 99_999_999])
async def test_a_value_larger_than_any_of_ours_is_removed_unread(size: int) -> None:
    answer = b"VALUE " + KEY + b" 0 %d 9\r\n" % size + bytes(70_000)
    scripted = Scripted(answer, b"DELETED\r\n")
    async with scripted.serve() as ours:
        assert await ours.gets(KEY) == (None, 0)
    assert scripted.connections == 2


async def test_a_reply_that_nobody_asked_for() -> None:
    scripted = Scripted(b"END\r\n", greeting=b"STORED\r\n")
    async with scripted.serve() as ours:
        await is_greeted(scripted, ours)
        with pytest.raises(ShardCorrupt, match="reply that nobody asked for: 'STORED'"):
            await ours.gets(KEY)


async def is_greeted(scripted: Scripted, ours: MemcachedConnection) -> None:
    """Let it connect, and what the server says first arrive."""
    await ours._linked()
    await scripted.greeted.wait()
    await asyncio.sleep(0.01)  # the loop hears what has come before it looks at the clock


@pytest.mark.parametrize(
    "line",
    [
        "SERVER_ERROR out of memory storing object",
        "CLIENT_ERROR bad data chunk\r\nERROR",
        "ERROR",
        "ERROR Too many open connections",
    ],
)
async def test_errors_of_the_server(line: str) -> None:
    scripted = Scripted(line.encode() + b"\r\n", b"STORED\r\n", b"STORED\r\n")
    async with scripted.serve() as ours:
        with pytest.raises(ShardRefused) as caught:
            await ours.set(KEY, b"x")
        assert caught.value.reason == line.partition("\r")[0]


async def test_no_more_connections(start_memcached: StartMemcached) -> None:
    """As memcached says it: at once, unasked, and then it hangs up."""
    memcached = start_memcached("-c", "20", "-t", "1")
    some = [MemcachedConnection(server_of(memcached)) for _ in range(40)]
    refused: list[StoreError] = []
    for one in some:
        try:
            await one.gets(KEY)
        except StoreError as error:
            refused.append(error)
    assert "ERROR Too many open connections" in {error.reason for error in refused}
    for one in some:
        one.close()
    async with await_closed(MemcachedConnection(server_of(memcached))) as ours:
        while not await answers(ours):  # memcached notices the others' end in its own time
            pass


async def answers(connection: MemcachedConnection) -> bool:
    try:
        await connection.gets(KEY)
    except StoreError:
        return False
    return True


async def test_a_connection_closed_while_idle_is_no_error(memcached: Memcached) -> None:
    """The server restarted, or hung up on an idle client; there is nothing to tell."""
    async with await_closed(MemcachedConnection(server_of(memcached))) as ours:
        await ours.set(KEY, b"x")
        memcached.restart()
        await asyncio.sleep(0.02)
        assert await ours.gets(KEY) == (None, 0)


async def test_an_absent_counter_costs_no_connection() -> None:
    scripted = Scripted(b"NOT_FOUND\r\n", b"7\r\n", b"STORED\r\n")
    async with scripted.serve() as ours:
        assert await ours.incr(KEY, 1) is None
        assert await ours.incr(KEY, 1) == 7
        assert scripted.connections == 1


async def test_calls_take_turns(memcached: Memcached) -> None:
    async with await_closed(MemcachedConnection(server_of(memcached))) as ours:
        await ours.set(KEY, b"0")

        async def count() -> None:
            for _ in range(50):
                assert await ours.incr(KEY, 1)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(count)
        assert (await ours.gets(KEY))[0] == b"500"


async def test_all_verbs(memcached: Memcached) -> None:
    async with await_closed(MemcachedConnection(server_of(memcached))) as ours:
        assert not await ours.replace(KEY, b"a", 100)
        assert await ours.add(KEY, b"a")
        assert not await ours.add(KEY, b"b")
        assert await ours.replace(KEY, b"c", 100)
        value, token = await ours.gets(KEY)
        assert value == b"c"
        assert await ours.cas(KEY, b"d", token)
        assert not await ours.cas(KEY, b"e", token)
        await ours.delete(KEY)
        await ours.delete(KEY)
        assert not await ours.cas(KEY, b"f", token)
        await ours.set(KEY, b"g", 1)
        while (await ours.gets(KEY))[0] is not None:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.05)


async def test_renewal_finds_room_beside_the_old_connection(
    start_memcached: StartMemcached,
) -> None:
    """On a server that is full the newcomer is refused, and the old connection goes on."""
    memcached = start_memcached("-c", "20", "-t", "1")
    some = [MemcachedConnection(server_of(memcached)) for _ in range(40)]
    served = [one for one in some if await answers(one)]
    assert 0 < len(served) < len(some)
    with pytest.raises(StoreError):
        await served[0].renew()
    assert await answers(served[0])
    for one in some:
        one.close()


async def test_ipv6() -> None:
    ours = MemcachedConnection(ServerAddress.from_host_port("::1", 1))
    assert ours.name == "[::1]:1"
    with pytest.raises(ShardUnavailable, match=r"\[::1\]:1: "):
        await ours.gets(KEY)


def server_of(memcached: Memcached) -> ServerAddress:
    return ServerAddress(memcached.host, memcached.port)
