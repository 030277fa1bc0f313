"""The door's own canary: what a service would do to write of itself, to the door, round by round."""

import asyncio
import socket
from contextlib import suppress
from itertools import count

import anyio

from musterd.tls import Tls

KEY = b"musterd-door-canary"
FRESH_EVERY = 10
"""Rounds after which it connects anew, so that a door that takes no newcomer is not listening either."""

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # addresses that are told, not bound
_STORED = b"STORED\r\n"


class DoorCanary:
    """A `DoorCanary` writes to the door that listens on ``listener``, and reads it back."""

    def __init__(self, listener: socket.socket, tls: Tls | None) -> None:
        self._listener = listener
        self._tls = tls
        self._numbers = count(1)
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def got_through(self, timeout: float) -> bool:  # noqa: ASYNC109  # of the whole round
        """Say whether the door took it within ``timeout`` seconds, and gave it back."""
        number = next(self._numbers)
        if not number % FRESH_EVERY:
            self.close()
        try:
            with anyio.fail_after(timeout):
                through = await self._round(b"%d" % number)
        except (OSError, EOFError, TimeoutError):
            through = False
        if not through:
            self.close()
        return through

    def close(self) -> None:
        """Hang up."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream[1].transport.abort()
        self._stream = None

    async def _round(self, value: bytes) -> bool:
        if self._stream is None:
            self._stream = await self._connect()
        reader, writer = self._stream
        writer.write(b"set %b 0 0 %d\r\n%b\r\nget %b\r\n" % (KEY, len(value), value, KEY))
        wanted = _STORED + b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (KEY, len(value), value)
        return await reader.readexactly(len(wanted)) == wanted

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._listener.family == socket.AF_UNIX:
            return await asyncio.open_unix_connection(self._listener.getsockname())
        host, port = self._listener.getsockname()[:2]
        context = None if self._tls is None else self._tls.context()
        return await asyncio.open_connection(
            _WILDCARDS.get(host, host), port, ssl=context, server_hostname="" if context else None
        )
