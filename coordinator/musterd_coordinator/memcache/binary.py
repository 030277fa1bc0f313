"""The module holds one client's conversation in memcached's binary protocol; no input or output.

It is fed and stepped as :class:`~musterd_coordinator.memcache.protocol.ProtocolSession` is. There is
no login: whoever begins one is told that the command is unknown, as by a memcached without SASL,
and goes on without.
"""

from collections.abc import Callable

from musterd.stores.table.table import Table
from musterd_coordinator.memcache.binary_commands import ANSWERS, begin_store, store
from musterd_coordinator.memcache.packets import (
    NotARequest,
    Opcode,
    ReplyStatus,
    Request,
    read_request,
    refusal,
    reply,
    size_of,
)
from musterd_coordinator.memcache.protocol import Statistics

_STORES = frozenset((Opcode.SET, Opcode.ADD, Opcode.REPLACE, Opcode.APPEND, Opcode.PREPEND))


class BinarySession:
    """A `BinarySession` holds what one client has said, as far as it is not answered."""

    is_binary = waits = False  # it is welcome, and every reply is known at once

    def __init__(self, table: Table, statistics: Statistics) -> None:
        self.wake: Callable[[], None] = _nothing
        self.closed = False
        self._table = table
        self._statistics = statistics
        self._input = bytearray()
        self._upload: Request | None = None  # its value is still to come
        self._ignored = 0  # bytes to come of a value that nobody wants

    @property
    def held(self) -> int:
        """Return the bytes received and not yet consumed."""
        return len(self._input)

    def feed(self, data: bytes) -> None:
        """Hear ``data``."""
        self._input += data

    def glance(self, data: bytes) -> bool:
        """Say that nothing is taken at a glance."""
        return False

    def answer(self, data: bytes) -> None:
        """Return None: nothing is answered without :meth:`feed`."""

    def only_reply(self) -> bytes | None:
        """Return None: no reply is ever waited for."""
        return None

    def abandon(self) -> None:
        """Do nothing: nothing is waited for."""

    def step(self) -> bytes | None:
        """Return the next reply, perhaps empty; None: nothing to do until more comes."""
        if self.closed:
            return None
        if self._ignored:
            self._ignored -= len(self._consume(min(self._ignored, len(self._input))))
        if self._ignored or (self._upload is None and not self._input):
            return None
        if self._upload is not None:
            return self._take_value(self._upload)
        try:
            request = read_request(self._input)
        except NotARequest as error:
            self.closed = True
            return error.reply
        return None if request is None else self._obey(request)

    def _consume(self, size: int) -> bytes:
        data = bytes(self._input[:size])
        del self._input[:size]
        return data

    def _obey(self, request: Request) -> bytes:
        del self._input[: size_of(request)]
        if request.command in _STORES:
            refused = begin_store(self._table, request)
            if refused is None:
                self._upload = request
                return self._take_value(request) or b""
            self._ignored = request.size
            return refused
        answer = ANSWERS.get(request.command)
        if answer is None:
            return self._speak_of_server(request)
        self._ignored = request.size
        return answer(self._table, request)

    def _take_value(self, request: Request) -> bytes | None:
        if len(self._input) < request.size:
            return None
        self._upload = None
        return store(self._table, request, self._consume(request.size))

    def _speak_of_server(self, request: Request) -> bytes:
        match request.command:
            case Opcode.VERSION:
                return reply(request, self._statistics.version.encode())
            case Opcode.STAT:
                return self._stats(request)
        self.closed = True  # it wants to quit
        return b"" if request.quiet else reply(request)

    def _stats(self, request: Request) -> bytes:
        if request.key == b"reset":
            self._statistics.reset()
            return reply(request)
        report = self._statistics.statistics(request.key.decode("latin-1"))
        if report is None:
            return refusal(request, ReplyStatus.NOT_FOUND)
        lines = (
            reply(request, f"{value}".encode(), key=name.encode()) for name, value in report.items()
        )
        return b"".join(lines) + reply(request)


def _nothing() -> None:
    pass
