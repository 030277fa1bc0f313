"""The module has the sockets of a proxy that cuts; :mod:`musterd.testing` tells how to use it."""

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import anyio
from anyio.abc import TaskGroup

from musterd.testing.busy import allowed_now, in_time
from musterd.testing.lane import Ending, Lane

CHUNK = 1 << 16  # bytes that are treated as one
DEPTH = 64  # chunks of one direction on their way through the proxy
TIMEOUT = 10.0  # seconds for the server to accept a connection, and for a close

_LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close sends RST

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Inside(NamedTuple):
    """An `Inside` is what a proxy opens TLS with, so that it treats what is said by it.

    It shows ``server`` to clients, and connects as ``client``.
    """

    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None


class CuttingProxy:
    """A `CuttingProxy` listens on ``port`` (0: a free one).

    It leads to ``target_host:target_port``, and TLS passes it as it is unless it stands ``inside``.
    ``requests`` and ``replies`` are its two directions; ``accepted`` counts connections.
    """

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        listen_host: str = "127.0.0.1",
        port: int = 0,
        inside: "Inside | None" = None,
    ) -> None:
        self.host = listen_host
        self.port = port
        self.accepted = 0
        self.requests = Lane()
        self.replies = Lane()
        self._target = (target_host, target_port)
        self._inside = inside or Inside()
        self._limit: int | None = None
        self._pairs: set[_Pair] = set()
        self._held: socket.socket
        self._listener: socket.socket | None = None
        self._tasks: TaskGroup

    @property
    def address(self) -> str:
        """Return where clients connect to, as ``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Return how many connections are open now."""
        return len(self._pairs)

    async def __aenter__(self) -> Self:
        # Bound and never listening, this keeps the port ours while nothing listens on it.
        self._held = _bound(self.host, self.port)
        self.port = self._held.getsockname()[1]
        self._tasks = await anyio.create_task_group().__aenter__()
        self.accept_new()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self.refuse_new()
        self._held.close()
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, trace)

    def accept_new(self) -> None:
        """Accept connections; this ends the next two verbs."""
        if self._listener is None:
            self._listener = _bound(self.host, self.port)
            self._listener.listen(128)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def ignore_new(self) -> None:
        """Accept none: clients get a connection from the kernel, and no answer ever."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)

    def refuse_new(self) -> None:
        """Stop listening: clients get ECONNREFUSED. Open connections stay."""
        if self._listener is not None:
            self.ignore_new()
            self._listener.close()
            self._listener = None

    def limit(self, connections: int | None) -> None:
        """Reset every connection that would be one more than this; None: no limit."""
        self._limit = connections

    def reset_all(self) -> None:
        """Reset all connections, to both sides."""
        for pair in list(self._pairs):
            pair.cut(Ending.RESET)

    def heal(self) -> None:
        """Undo everything but the loss of the connections that are gone."""
        self.requests.heal()
        self.replies.heal()
        self.limit(None)
        self.accept_new()

    def _accept(self) -> None:
        assert self._listener is not None
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._listener.accept()
            if self._limit is not None and len(self._pairs) >= self._limit:
                _reset_on_close(client)
                client.close()
                return
            self.accepted += 1
            client.setblocking(False)
            pair = _Pair(client, self._inside)
            self._pairs.add(pair)
            self._tasks.start_soon(self._serve, pair)

    async def _serve(self, pair: "_Pair") -> None:
        try:
            await pair.join(self._target, self.requests, self.replies)
        finally:
            self._pairs.discard(pair)
            await pair.aclose()


class _Pair:
    """A `_Pair` is a client's connection and the one that it leads to."""

    def __init__(self, client: socket.socket, inside: Inside) -> None:
        self._client = client
        self._inside = inside
        self._writers: list[asyncio.StreamWriter] = []
        self._sockets: list[socket.socket] = []  # TLS that has ended does not tell its own
        self._scope = anyio.CancelScope()

    async def join(self, target: tuple[str, int], requests: Lane, replies: Lane) -> None:
        """Lead bytes both ways until the connection has ended."""
        with self._scope:
            try:
                with in_time(TIMEOUT):
                    client = self._keep(await _accepted(self._client, self._inside.server))
                    tls = self._inside.client
                    server = self._keep(await asyncio.open_connection(*target, ssl=tls))
            except OSError:  # TimeoutError is one
                self.cut(Ending.RESET)
            else:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._lead, client[0], server[1], requests)
                    tasks.start_soon(self._lead, server[0], client[1], replies)

    def cut(self, ending: Ending) -> None:
        """End both connections now."""
        for writer, its_socket in zip(self._writers, self._sockets, strict=True):
            if ending is Ending.CLOSE:
                writer.close()
                continue
            _reset_on_close(its_socket)
            writer.transport.abort()
        if not self._writers:
            _reset_on_close(self._client)
        self._scope.cancel()

    async def aclose(self) -> None:
        """Leave no socket open."""
        if not self._writers:
            self._client.close()
        with anyio.move_on_after(allowed_now(TIMEOUT), shield=True):
            for writer in self._writers:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    def _keep(self, stream: _Stream) -> _Stream:
        stream[1].transport.set_write_buffer_limits(high=0)  # so that drain empties the buffer
        self._writers.append(stream[1])
        self._sockets.append(stream[1].get_extra_info("socket"))
        return stream

    async def _lead(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, lane: Lane
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(DEPTH)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_listen, source, queue, lane)
                await self._speak(queue, sink, lane)
        except* OSError:
            self.cut(Ending.RESET)

    async def _speak(
        self, queue: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, lane: Lane
    ) -> None:
        chunk = b"-"
        while chunk:
            heard_at, chunk = await queue.get()
            await anyio.sleep_until(heard_at + lane.latency)
            await lane.flows()
            passed, ending = lane.treat(chunk)
            lane.passed += len(passed)
            sink.write(passed)
            await sink.drain()
            if ending is not None:
                self.cut(ending)
        if not lane.dropping and not sink.is_closing():
            _end(sink)


async def _accepted(client: socket.socket, tls: ssl.SSLContext | None) -> _Stream:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _end(sink: asyncio.StreamWriter) -> None:
    if sink.can_write_eof():
        sink.write_eof()
    else:  # TLS knows no half of a connection
        sink.close()


async def _listen(
    source: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]], lane: Lane
) -> None:
    chunk = b"-"
    while chunk:
        chunk = await source.read(CHUNK)
        lane.received += len(chunk)
        await queue.put((anyio.current_time(), chunk))


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    bound.bind((host, port))
    return bound


def _reset_on_close(connection: socket.socket) -> None:
    with suppress(OSError, ValueError):  # it may be closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
