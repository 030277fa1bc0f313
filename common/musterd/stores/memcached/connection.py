"""The module connects an agent to one memcached: aiomcache's commands over a stream that we own.

aiomcache 0.8.2 must not own it, for reasons found by reading and reproduced in tests/service:

- it has no timeouts, and its pool takes a cancelled call's connection back with the reply unread,
  so that the next call reads that one;
- when the server closes the connection in mid-reply, ``_execute_simple_command`` reads the empty
  line at the end of the stream for ever without once yielding to the event loop;
- a reply for another key counts as "absent".

So each call gets the one connection there is; the stream refuses what aiomcache would swallow; and
whatever ends a call other than its whole reply, cancellation included, aborts the transport.
"""

import asyncio
import os
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import aiomcache
from aiomcache.exceptions import ClientException
from aiomcache.pool import Connection, MemcachePool

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.bounds import Lifetime, Mutex
from musterd.stores.memcached.access import OPEN, ServerAccess
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.readings import read_little
from musterd.tls import UNASKED, why
from musterd.ways import Way

LINE_LIMIT = 2048
VALUE_LIMIT = 64 << 10  # bytes; none of ours is a third as large
_ERROR_LINE = re.compile(rb"(ERROR|CLIENT_ERROR|SERVER_ERROR)\b")
_TEXT_LIMIT = 200
_END = b"END\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)

_T = TypeVar("_T")
_Command = Callable[[aiomcache.Client], Awaitable[_T]]


def refusal(line: bytes) -> str | None:
    """Return the text of an error line of the protocol; None if ``line`` is none."""
    return shown(line) if _ERROR_LINE.match(line) else None


def shown(line: bytes) -> str:
    """Return a foreign line as one printable line of reasonable length."""
    text = line.decode("ascii", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in text)[:_TEXT_LIMIT]


def unreachable(error: OSError | EOFError) -> str:
    """Say in a few words what happened to a connection."""
    if isinstance(error, ssl.SSLError):  # its number is none of the system
        return why(error)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    number = getattr(error, "errno", None)
    if number and number > 0:  # asyncio's own text for these is "Connect call failed"
        text = os.strerror(number)
    return text[:1].lower() + text[1:]


def login_refused(shard: str, text: str) -> ShardRefused:
    """Return the error of a server that took no user and password, and said ``text``."""
    return ShardRefused(shard, f"{text}: it refuses the user and password of the store's URL")


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel notice a peer that is gone; asyncio itself sets TCP_NODELAY."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def cut(transport: asyncio.WriteTransport) -> None:
    """Abort by RST, which takes back what is still on its way.

    Otherwise the kernel would go on to deliver it: a beat that was given up long ago could overwrite
    newer ones.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Where it is closed already asyncio says OSError, and uvloop ValueError.
        with suppress(OSError, ValueError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class _Oversized(ShardCorrupt):
    """The value of ``key`` is larger than any of ours, and was not read."""

    def __init__(self, shard: str, reason: str, key: bytes) -> None:
        super().__init__(shard, reason)
        self.key = key


class _Replies(asyncio.StreamReader):
    """``_Replies`` is the incoming half of a connection.

    It fails where aiomcache would go wrong silently.
    """

    def __init__(self, shard: str) -> None:
        super().__init__(limit=LINE_LIMIT)
        self._shard = shard
        self._unread = 0
        self._keys: tuple[bytes, ...] = ()
        self._key = b""  # of the value that comes
        self.last_line = b""

    def feed_data(self, data: Any) -> None:
        """Count the bytes that came."""
        self._unread += len(data)
        super().feed_data(data)

    def set_exception(self, exc: Exception) -> None:
        """Ignore aiomcache's verdicts on its own calls: only those of the transport count."""
        if not isinstance(exc, ClientException | StoreError):
            super().set_exception(exc)

    async def readline(self) -> bytes:
        """Return one whole line; an error line of the protocol is ShardRefused."""
        line = await super().readline()
        self._unread -= len(line)
        self.last_line = line
        if not line.endswith(b"\n"):
            raise ConnectionResetError("closed by the server")
        if (text := refusal(line)) is not None:
            raise ShardRefused(self._shard, text)
        if not line.endswith(b"\r\n"):
            raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(line)!r}")
        return self._about_ours(line) if line.startswith(b"VALUE ") else line

    def _about_ours(self, line: bytes) -> bytes:
        """Return the line before a value, with no flags.

        aiomcache would take flags for a fault of the server.
        """
        words = line.split(b" ")
        self._key = words[1]
        if self._key not in self._keys:
            raise ShardCorrupt(self._shard, f"reply for another key: {shown(line)!r}")
        return b" ".join((*words[:2], b"0", *words[3:])) if words[2].isdigit() else line

    async def readexactly(self, n: int) -> bytes:
        """Return the data of one value."""
        if n < 0:
            raise ShardCorrupt(self._shard, f"reply with a value of {n} bytes")
        if n > VALUE_LIMIT:
            raise _Oversized(self._shard, f"reply with a value of {n} bytes", self._key)
        data = await super().readexactly(n)
        self._unread -= n
        return data

    async def expect(self, keys: tuple[bytes, ...]) -> None:
        """Begin a call about ``keys``; whatever came unasked is an error, and read as one."""
        self._keys = keys
        if self._unread:
            line = await self.readline()
            raise ShardCorrupt(self._shard, f"reply that nobody asked for: {shown(line)!r}")

    def finish(self) -> None:
        """Check that the reply was read and there is no more of it."""
        if self._unread:
            raise ShardCorrupt(self._shard, "more than one reply to one command")


class _OneConnection(MemcachePool):
    """``_OneConnection`` stands for aiomcache's pool: its owner opened the connection and closes it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("", 0, minsize=1, maxsize=1)
        self._connection = connection

    async def acquire(self) -> Connection:
        """Return the connection."""
        return self._connection

    def release(self, conn: Connection) -> None:
        """Do nothing: the owner knows better how the call ended."""


class _Commands(aiomcache.Client):
    """These are aiomcache's commands over one connection.

    They take one from ``self._pool`` and give it back, by ``acquire`` and ``release``: this relies on
    nothing else of aiomcache's insides. aiomcache takes no pool as an argument, so a subclass sets one.
    """

    def __init__(self, server: ServerAddress, connection: Connection) -> None:
        super().__init__(*server)
        self._pool = _OneConnection(connection)


class _Opened(NamedTuple):
    replies: _Replies
    transport: asyncio.WriteTransport
    client: aiomcache.Client
    address: str

    @property
    def is_usable(self) -> bool:
        """Return False once the server hung up, with nothing left to read from it."""
        return not (
            self.replies.at_eof() or self.replies.exception() or self.transport.is_closing()
        )


class MemcachedConnection:
    """A ``MemcachedConnection`` is one connection, made when it is needed.

    It is a :class:`~musterd.stores.slots.protocol.KeyValue`. Calls wait for each other. The caller
    bounds them in time; a call that is cut short takes the connection with it.
    """

    def __init__(
        self, server: ServerAddress, way: Way | None = None, access: ServerAccess = OPEN
    ) -> None:
        self.name = server.name
        self._server = server
        self._way = way or Way(server.host)
        self._access = access
        self._turn = Mutex()
        self._lifetime = Lifetime(server.name)
        self._link: _Opened | None = None
        self._heard: _Opened | None = None  # the one that was answered last

    async def gets(self, key: bytes) -> tuple[bytes | None, int]:
        """Return the value and its cas number; remove one that is larger than any of ours, unread."""
        try:
            value, token = await self._call((key,), lambda client: client.gets(key))
        except _Oversized:
            await self.delete(key)
            return None, 0
        return value, token or 0

    async def get_many(self, *keys: bytes) -> Sequence[bytes | None]:
        """Return the value of each key; remove one that is larger than any of ours, unread."""
        try:
            return await self._call(keys, lambda _: self._values(keys))
        except _Oversized as error:
            await self.delete(error.key)
            return [None for _ in keys]

    async def set(self, key: bytes, value: bytes, ttl: int = 0) -> None:
        """Store the value; raise ShardRefused if the server did not."""
        if not await self._call((key,), lambda client: client.set(key, value, ttl)):
            raise ShardRefused(self.name, "did not store a plain set")

    async def add(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is absent."""
        return await self._call((key,), lambda client: client.add(key, value, ttl))

    async def replace(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is present."""
        return await self._call((key,), lambda client: client.replace(key, value, ttl))

    async def cas(self, key: bytes, value: bytes, token: int, ttl: int = 0) -> bool:
        """Store the value if the key is unchanged."""
        return await self._call((key,), lambda client: client.cas(key, value, token, ttl))

    async def incr(self, key: bytes, step: int) -> int | None:
        """Return the number after adding ``step`` to it; None when absent."""
        return await self._call((key,), lambda client: self._incr(client, key, step))

    async def delete(self, key: bytes) -> None:
        """Remove the key."""
        await self._call((key,), lambda client: client.delete(key))

    async def renew(self) -> str:
        """Use a new connection, and give the old one up once the new one was answered."""
        newer = MemcachedConnection(self._server, self._way, self._access)
        try:
            await newer._call((), lambda client: client.version())
            async with self._turn:  # until now calls went on over the old one
                self._lifetime.check()
                before = self._link.address if self._link else ""
                self._drop()
                self._link, newer._link = newer._link, None
                self._heard = self._link
            after = self._link.address if self._link else ""
            return after if before and after != before else ""
        finally:
            newer.close()

    async def close_idle(self) -> None:
        """Close the connection when its call has ended; the next one makes another."""
        async with self._turn:
            self._drop()

    def close(self) -> None:
        """Abort the connection for good, and one that is being made."""
        self._lifetime.end()
        self._drop()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        if link is not self._heard:
            self._way.failed(link.address)  # it took the connection and never answered
        self._heard = None
        cut(link.transport)

    async def _values(self, keys: tuple[bytes, ...]) -> Sequence[bytes | None]:
        """Say ``get``; aiomcache's ``multi_get`` takes 6 µs longer, more than signing may."""
        assert self._link
        replies, transport, *_ = self._link
        transport.write(b"get %b\r\n" % b" ".join(keys))
        values: dict[bytes, bytes | None] = dict.fromkeys(keys)
        while (line := await replies.readline()) != _END:
            word, key, flags, size = line.split()
            if (word, flags) != (b"VALUE", b"0"):
                raise ValueError(line)
            values[key] = (await replies.readexactly(int(size) + 2))[:-2]
        return list(values.values())

    async def _incr(self, client: aiomcache.Client, key: bytes, step: int) -> int | None:
        try:
            return await client.incr(key, step)
        except ClientException:  # also raised for an absent key, which is an answer
            if self._link is not None and self._link.replies.last_line == b"NOT_FOUND\r\n":
                return None
            raise

    async def _call(self, keys: tuple[bytes, ...], command: _Command[_T]) -> _T:
        async with self._turn:
            return await self._exchange(keys, command)

    async def _exchange(self, keys: tuple[bytes, ...], command: _Command[_T]) -> _T:
        try:
            link = await self._linked()
            await link.replies.expect(keys)
            answer = await command(link.client)
            link.replies.finish()
            self._heard = link
            return answer
        except (OSError, EOFError) as error:
            self._lifetime.check()
            unheard = self._link is not None and self._link is not self._heard
            hint = UNASKED if unheard and self._access.tls is not None else ""
            self._drop()
            raise ShardUnavailable(self.name, unreachable(error) + hint) from None
        except (ClientException, ValueError, IndexError):
            text = shown(self._link.replies.last_line) if self._link else ""
            self._drop()
            raise ShardCorrupt(self.name, f"reply is not memcached's: {text!r}") from None
        except BaseException:
            self._drop()
            raise

    async def _linked(self) -> _Opened:
        if self._link is None or not self._link.is_usable:
            self._drop()
            with self._lifetime.within():
                self._link = await self._way.connect(self._connect)
                if self._access.login:
                    await self._log_in(self._link)
        self._lifetime.check()  # in the moment in which it was made: the caller drops it
        return self._link

    async def _log_in(self, link: _Opened) -> None:
        link.transport.write(self._access.login)
        try:
            line = await link.replies.readline()
        except ShardRefused as refused:
            raise login_refused(self.name, refused.reason) from None
        if line != b"STORED\r\n":
            raise ShardCorrupt(self.name, f"reply is not memcached's: {shown(line)!r}")

    async def _connect(self, address: str) -> _Opened:
        loop = asyncio.get_running_loop()
        replies = _Replies(self.name)
        protocol = asyncio.StreamReaderProtocol(replies, loop=loop)
        transport, _ = await loop.create_connection(
            lambda: protocol, address, self._server.port, **self._access.secured(self._server.host)
        )
        keep_alive(transport)
        read_little(transport)
        writer = asyncio.StreamWriter(transport, protocol, replies, loop)
        client = _Commands(self._server, Connection(replies, writer))
        return _Opened(replies, transport, client, address)
