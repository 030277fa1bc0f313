"""The module has the connections of a memcached server take turns and keep a budget together."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import cast

import anyio
import structlog

from musterd_coordinator.doorway.listener import dismiss
from musterd_coordinator.limits.descriptors import MOST_OF_STORE
from musterd_coordinator.limits.seldom import Seldom
from musterd_coordinator.limits.shares import Shares
from musterd_coordinator.memcache.conversation import Conversation
from musterd_coordinator.memcache.protocol import LINE_LIMIT

log = structlog.get_logger(__name__)

TURN_TIME = 0.001  # seconds a connection may work before the others have their turn
TURN_BYTES = 1 << 18  # of replies, likewise

_TOO_MANY = b"ERROR Too many open connections\r\n"
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # two minutes in all


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """These are what clients may take. Memory for items is limited by the table."""

    connections: int = MOST_OF_STORE
    per_address: float = 0.5  # the share of them that one address may hold
    waiting_bytes: int = 64 << 20  # requests half sent and replies not read, of all connections
    unread_time: float = 60.0  # seconds that a client may leave a full output buffer unread


class Clients:
    """These are all connections of one server, and what they hold together.

    ``converse`` begins a conversation with a client that said this first. Logs call the server
    ``called``.
    """

    def __init__(
        self,
        converse: Callable[[bytes], Conversation],
        limits: ClientLimits,
        called: str = "embedded store",
    ) -> None:
        self.converse = converse
        self.limits = limits
        self.called = called
        self.links: set[ClientConnection] = set()
        self._refused: set[ClientConnection] = set()  # being hung up on
        self.waiting_bytes = 0
        self.accepted = self.refused = self.bytes_read = self.bytes_written = 0
        self._dismissed = False
        self._emptied = anyio.Event()
        share = max(1, int(limits.per_address * limits.connections))
        self._shares = Shares(limits.connections, share)  # of connections, by address
        self._full = Seldom("server full", monotonic)
        self._greedy = Seldom("address full", monotonic)
        self._cut_off = Seldom("client cut off", monotonic)
        self._binary = Seldom("client speaks the binary protocol", monotonic)

    def admit(self, link: "ClientConnection") -> bool:
        """Count a new connection; return False if there are too many, or no more are wanted."""
        if self._dismissed or not self._has_room(link.address):
            self._refused.add(link)
            self.refused += 1
            return False
        self.accepted += 1
        self.links.add(link)
        return True

    def _has_room(self, address: str) -> bool:
        """Take a connection for ``address``, if there is one; it never keeps out all others."""
        if self._shares.acquire(address):
            return True
        if self._shares.taken >= self._shares.total:
            self._full.warn(server=self.called, connections=self._shares.taken)
        else:
            self._greedy.warn(server=self.called, client=address, connections=self._shares.each)
        return False

    def discard(self, link: "ClientConnection") -> None:
        """Take note that a connection has ended."""
        if link in self.links:
            self.links.remove(link)
            self._shares.release(link.address)
        self._refused.discard(link)
        if not self.links and not self._refused:
            self._emptied.set()

    async def dismiss(self) -> None:
        """Hang up on all clients, and wait until they are gone."""
        self._dismissed = True
        for link in list(self.links):
            link.hang_up()
        while self.links or self._refused:
            self._emptied = anyio.Event()
            await self._emptied.wait()

    def keep_budget(self) -> None:
        """Cut off the client that holds most, while all that waits is more than is allowed."""
        while self.waiting_bytes > self.limits.waiting_bytes:
            for link in self.links:
                link.weigh()
            if self.waiting_bytes > self.limits.waiting_bytes:
                max(self.links, key=lambda link: link.weight).cut_off("holds too many bytes")

    def tell_of_cut(self, client: object, reason: str) -> None:
        """Log that a client was hung up on; what happens all the time is summed up."""
        self._cut_off.warn(server=self.called, client=client, reason=reason)

    def tell_of_binary(self, client: object) -> None:
        """Log the same of one that speaks memcached's other protocol.

        It may think its beats stored.
        """
        note = "only the text protocol is spoken here; set the client to it"
        self._binary.warn(server=self.called, client=client, note=note)

    def reset(self) -> None:
        """Count from 0."""
        self.accepted = len(self.links)
        self.refused = self.bytes_read = self.bytes_written = 0


class ClientConnection(asyncio.Protocol):
    """A `ClientConnection` takes turns of a conversation, with back-pressure both ways."""

    def __init__(self, crowd: Clients) -> None:
        self.weight = 0  # bytes that wait, as last weighed
        self.address = ""  # the client's, without its port
        self._crowd = crowd
        self._loop = asyncio.get_running_loop()
        self._conversation = crowd.converse(b"")
        self._has_spoken = False
        self._transport: asyncio.Transport
        self._choked = False  # the client does not read its replies
        self._is_cut_off = False
        self._next_turn: asyncio.Handle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse to."""
        self._transport = cast("asyncio.Transport", transport)
        peer = self._transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._crowd.admit(self):
            self._transport.write(_TOO_MANY)
            self._patience = dismiss(self._transport)
            return
        self._transport.set_write_buffer_limits(high=TURN_BYTES)
        _keep_alive(self._transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        for handle in (self._next_turn, self._patience):
            if handle is not None:
                handle.cancel()
        self._is_cut_off = True
        self._conversation.abandon()
        self.weigh()
        self._crowd.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer, unless there is still something to answer before."""
        self._crowd.bytes_read += len(data)
        if not self._has_spoken:
            self._begin(data)
        if self._conversation.glance(data) or self._answer_at_once(data):
            return
        self._conversation.feed(data)
        if self._next_turn is None:
            self._take_turn()

    def _answer_at_once(self, data: bytes) -> bool:
        """Answer a usual question without taking a turn; say whether it was one."""
        if self._choked or self._next_turn is not None:
            return False
        reply = self._conversation.answer(data)
        if reply is None:
            return False
        self._say(reply)
        if self.weight or self._transport.get_write_buffer_size():
            self.weigh()
            self._crowd.keep_budget()
        return True

    def _begin(self, data: bytes) -> None:
        self._has_spoken = True
        self._conversation = self._crowd.converse(data)
        self._conversation.wake = self._wake

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        self._choked = True
        self._patience = self._loop.call_later(
            self._crowd.limits.unread_time, self.cut_off, "does not read its replies"
        )

    def resume_writing(self) -> None:
        """Go on where the last turn ended."""
        self._choked = False
        if self._patience is not None:
            self._patience.cancel()
        if self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._take_turn)

    def hang_up(self) -> None:
        """Close without waiting for the client to read."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._patience = dismiss(self._transport)

    def cut_off(self, reason: str) -> None:
        """Drop the connection and whatever waits on it."""
        client = self._transport.get_extra_info("peername")
        self._crowd.tell_of_cut(client, reason)
        self._transport.abort()
        self._is_cut_off = True

    @property
    def is_amid_something(self) -> bool:
        """Say whether half a command came, or something is not answered or not sent yet."""
        unsent = self._transport.get_write_buffer_size()
        return bool(self._conversation.held or unsent or self._next_turn is not None)

    def weigh(self) -> None:
        """Bring the crowd's sum of waiting bytes up to date."""
        weight = 0
        if not self._is_cut_off:
            weight = self._conversation.held + self._transport.get_write_buffer_size()
        self._crowd.waiting_bytes += weight - self.weight
        self.weight = weight

    def _wake(self) -> None:
        """Write the reply that was waited for; if others may be known too, all in a turn soon."""
        if self._next_turn is not None:
            return
        usual = not self._choked and not self._transport.is_closing()
        if usual and (reply := self._conversation.only_reply()):
            self._say(reply)
        else:
            self._next_turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._next_turn = None
        if self._transport.is_closing():
            return
        try:
            reply, unfinished = self._converse()
        except Exception:
            log.exception("server failed", server=self._crowd.called)
            self.cut_off("its request could not be answered")
            return
        if reply:
            self._say(reply)
        if self._conversation.closed:
            if self._conversation.is_binary:
                self._crowd.tell_of_binary(self._transport.get_extra_info("peername"))
            self._transport.close()
        else:
            self._steer(unfinished)
        self.weigh()
        self._crowd.keep_budget()

    def _say(self, reply: bytes) -> None:
        self._crowd.bytes_written += len(reply)
        self._transport.write(reply)

    def _converse(self) -> tuple[bytes, bool]:
        parts = []
        size = 0
        ends = self._loop.time() + TURN_TIME
        while (part := self._conversation.step()) is not None:
            parts.append(part)
            size += len(part)
            if size >= TURN_BYTES or self._loop.time() >= ends:
                return b"".join(parts), True
        return b"".join(parts), False

    def _steer(self, unfinished: bool) -> None:
        conversation = self._conversation
        impatient = conversation.waits and conversation.held > LINE_LIMIT
        if unfinished or self._choked or impatient:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        if unfinished and not self._choked:
            self._next_turn = self._loop.call_soon(self._take_turn)


def _keep_alive(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
