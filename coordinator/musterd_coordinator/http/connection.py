"""A connection has bounds where uvicorn leaves it open.

They are for how long and how large a head may be, how long a body may go on that nobody wants, how many
requests may wait on one connection, how long an answer may stay unread, and who may be connected at
all.

Hypercorn has some of these bounds itself, and takes 280 µs of CPU for an answer of a few bytes that
uvicorn gives for 45.
"""

import asyncio
import socket
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from musterd_coordinator.doorway.listener import dismiss
from musterd_coordinator.doorway.peer import identity_of
from musterd_coordinator.http.app import App
from musterd_coordinator.http.inputs import BODY_TIMEOUT
from musterd_coordinator.http.joining import Joining
from musterd_coordinator.http.outgoing import WHOLE
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.shares import holder_of

log = structlog.get_logger(__name__)

HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT = 10.0
UNREAD_TIMEOUT = 30.0
TAKE_TIMEOUT = 30.0
"""Seconds in which a reader has to take most of what was sent, once so much waits that no more is."""

PIPELINED = 32
"""Requests that may wait on one connection for those before them."""

NOTHING_BYTES = 512 * 1024
"""Bytes that may come in a body without being part of it: sizes of chunks, and what follows them."""

_TOO_LARGE = Problem(431, f"a head of more than {HEAD_BYTES} bytes; send less")
_FULL = b"too many connections; close some, or try again later\n"


class _Refused(Exception):
    """A `_Refused` is raised into the parser, which then stops; the reason is kept."""


class Connection(HttpToolsProtocol):
    """A `Connection` is a caller, bounded in seconds for a head or an answer, and in bytes of nothing."""

    head_timeout = HEAD_TIMEOUT
    unread_timeout = UNREAD_TIMEOUT
    take_timeout = TAKE_TIMEOUT
    nothing_bytes = NOTHING_BYTES

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        app = self.config.app
        assert isinstance(app, App)
        self._door, self._repeats = app.door, app.refusals
        self._admitted = False
        self._in_head = True
        self._in_message = False
        self._reading = self._unparsed = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._take_timer: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._problem: Problem | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, **identity_of(transport)}
        # By TLS that would be eight times as much; what waits unsent is bounded by it.
        transport.set_write_buffer_limits(high=HIGH_WATER_LIMIT)
        _limit_unread(transport, self.unread_timeout)
        self._joining = Joining(transport)
        self._admitted, leaving = self._door.admit(self, holder_of(self.client))
        if isinstance(leaving, Connection):
            leaving.dismiss()
        if self._admitted:
            self._start_head_timer()
        else:
            self._turn_away()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.release(self)
        self._stop_head_timer()
        self._stop_body_timer()
        self._stop_take_timer()
        if self._farewell is not None:
            self._farewell.cancel()
        super().connection_lost(exc)

    def dismiss(self) -> None:
        """Close it; it has no place any more."""
        self._farewell = dismiss(self.transport)

    def data_received(self, data: bytes) -> None:
        if not self._admitted or self.transport.is_closing():
            return
        began_in_head = self._in_head
        self._reading = len(data)
        self._unparsed += self._reading
        super().data_received(data)
        if self._in_head and self._head_timer is None:
            self._start_head_timer()
        if not self._in_message and not began_in_head:
            self._unparsed = 0
        elif self._unparsed > (HEAD_BYTES if began_in_head else self.nothing_bytes):
            # One field without an end, of which the parser tells nothing.
            self._problem = _TOO_LARGE
            self.send_400_response("")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._take_timer = self.loop.call_later(self.take_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_take_timer()

    # What the parser found

    def on_message_begin(self) -> None:
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            self._refuse(Problem(429, f"more than {PIPELINED} requests wait on this connection"))
        self._in_head = False
        if self._is_too_large():
            self._refuse(_TOO_LARGE)
        self._unparsed = 0
        self._stop_head_timer()
        self._door.busy(self)
        if not self.url.startswith(b"/"):
            self.scope["state"]["authority"] = httptools.parse_url(self.url).host
        super().on_headers_complete()
        self.cycle.transport = self._joining  # its task begins later

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unparsed = 0
        self._stop_body_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joining.end()
        super().on_response_complete()
        if self.pipeline or not self.cycle.response_complete:
            return
        self._door.idle(self)
        if self._in_message and self._body_timer is None:  # it has its answer, and still sends
            self._body_timer = self.loop.call_later(BODY_TIMEOUT, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Say why what came is no request to answer, and hang up."""
        problem = self._problem or Problem(400, "that is no HTTP/1.1 request")
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # in the middle of another answer nothing can be said
            return
        answer = problem.answer()
        head = [b"HTTP/1.1 %d %s" % (answer.status_code, problem.title.encode())]
        head += [name + b": " + value for name, value in (*WHOLE, *answer.raw_headers)]
        self.transport.write(b"\r\n".join([*head, b"connection: close", b"", answer.body]))
        self.transport.close()

    def _is_too_large(self) -> bool:
        """Say whether the head itself is too large, where it came at once, perhaps with what follows it."""
        if max(self._reading, self._unparsed) <= HEAD_BYTES:
            return False
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + fields > HEAD_BYTES

    def _refuse(self, problem: Problem) -> None:
        self._problem = problem
        raise _Refused

    def _turn_away(self) -> None:
        more = self._repeats.one_more()
        if more is not None:
            caller = holder_of(self.client)
            log.warning("connection refused", caller=caller, connected=len(self._door), more=more)
        # Not a problem's media type: a client takes it for overload, and goes to the next one.
        self.transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 2\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
        )
        self.dismiss()

    # Timers

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _stop_take_timer(self) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
            self._take_timer = None


def _limit_unread(transport: asyncio.Transport, seconds: float) -> None:
    # The kernel then ends a connection whose peer neither takes nor acknowledges what was sent.
    peer = transport.get_extra_info("socket")
    if peer.family == socket.AF_UNIX:
        return
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
