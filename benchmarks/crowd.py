"""The module writes to one server of the slot protocol over many connections, as a fleet's agents do.

A memcached takes twenty commands of one connection, and then sees to all others before it comes back:
among them those of a coordinator, which asks for two thousand values with each command. So what one
connection brings waits for the sweeps, however little it is, where that of many does not.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast

import anyio

from benchmarks.bulk import TIMEOUT
from musterd.errors import ShardRefused, ShardUnavailable
from musterd.stores.memcached.connection import unreachable
from musterd.urls import host_and_port

MOST = 64
IN_TURN = 20
"""Commands of one connection that a memcached takes in its turn (``-R``)."""

_ASK = b"version\r\n"
_ANSWER = b"VERSION "
_END = b"\r\n"


def shares(count: int) -> int:
    """Return how many connections so many commands are written over."""
    return max(1, min(MOST, count // IN_TURN))


class Crowd:
    """A `Crowd` is up to :data:`MOST` connections, for commands without replies."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._members: list[_Member] = []

    async def pour(self, parts: Sequence[bytes]) -> None:
        """Write each of ``parts`` over a connection of its own, and wait until the server has seen all.

        Raises StoreError.
        """
        while len(self._members) < len(parts):
            self._members.append(await self._joined())
        try:
            with anyio.fail_after(TIMEOUT):
                for seen in [one.write(part) for one, part in zip(self._members, parts)]:  # noqa: B905  # others rest
                    await seen
        except TimeoutError:
            raise ShardUnavailable(self._name, f"no answer within {TIMEOUT:g} s") from None

    def close(self) -> None:
        """Close the connections."""
        for one in self._members:
            one.close()

    async def _joined(self) -> "_Member":
        loop = asyncio.get_running_loop()
        host, port = host_and_port(self._name)
        try:
            with anyio.fail_after(TIMEOUT):
                _, one = await loop.create_connection(lambda: _Member(self._name), host, port)
        except TimeoutError:
            raise ShardUnavailable(self._name, f"no connection within {TIMEOUT:g} s") from None
        except OSError as error:
            raise ShardUnavailable(self._name, unreachable(error)) from None
        return one


class _Member(asyncio.Protocol):
    """A `_Member` writes commands, and asks after them whether the server is there yet."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._asked: deque[asyncio.Future[None]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def write(self, commands: bytes) -> asyncio.Future[None]:
        assert self._transport is not None
        seen = asyncio.get_running_loop().create_future()
        self._asked.append(seen)
        self._transport.writelines([commands, _ASK])
        return seen

    def data_received(self, data: bytes) -> None:
        *lines, self._said = (self._said + data).split(_END)
        for line in lines:
            seen = self._asked.popleft()
            if seen.done():  # nobody waits any longer
                continue
            if line.startswith(_ANSWER):
                seen.set_result(None)
            else:  # whatever else it says is a refusal
                text = line[:100].decode("ascii", "replace")
                seen.set_exception(ShardRefused(self._name, text))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for seen in self._asked:
            if not seen.done():
                seen.set_exception(ShardUnavailable(self._name, "connection lost"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
