"""How much an agent reads from its store at once: little, and all of it."""

import asyncio
import socket

from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.stores.named_loop import NamedLoop
from musterd.stores.readings import READ_SIZE, read_little
from musterd.testing.servers import Memcached


class Readings(asyncio.Protocol):
    """Keeps how many bytes came at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.over = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """One reading."""
        self.sizes.append(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no more."""
        self.over.set()


async def test_a_reading_takes_no_more_memory_than_replies_need() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"x" * 3 * READ_SIZE)
        ours.setblocking(False)
        transport, readings = await asyncio.get_running_loop().create_connection(
            Readings, sock=ours
        )
        read_little(transport)
        theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(5.0):
            await readings.over.wait()
    assert readings.sizes == [READ_SIZE] * 3


async def test_a_database_is_read_so_too() -> None:
    sent = b"x" * 3 * READ_SIZE

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, asyncio.timeout(5.0):
        loop = NamedLoop(asyncio.get_running_loop(), {}, hosts=1, brief=5.0)
        port = server.sockets[0].getsockname()[1]
        _, readings = await loop.create_connection(Readings, "127.0.0.1", port)
        await readings.over.wait()
    assert sum(readings.sizes) == len(sent)
    assert max(readings.sizes) <= READ_SIZE


async def test_a_value_of_several_readings_is_whole(memcached: Memcached) -> None:
    value = b"x" * 3 * READ_SIZE
    connection = MemcachedConnection(ServerAddress("127.0.0.1", memcached.port))
    await connection.set(b"large", value)
    assert (await connection.gets(b"large"))[0] == value
    connection.close()
