"""One HTTP exchange as the handlers see it: a request, and the answer or stream to it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from musterd_coordinator.limits.shares import holder_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
EVENTS = b"text/event-stream"
HTML = b"text/html; charset=utf-8"
PLAIN = b"text/plain; charset=utf-8"

# What is alive changes from one second to the next: no proxy or browser may keep an answer.
_EVERY_ANSWER: Headers = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
# A proxy that compresses or collects answers would keep events until it has enough of them.
_UNBUFFERED: Headers = (
    (b"cache-control", b"no-store, no-transform"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)
_NO_CONTENT = int(HTTPStatus.NO_CONTENT)  # an enum's member is slow to get
_encode = msgspec.json.Encoder().encode


class Request:
    """One request; ``names`` are the variable parts of its path, decoded, ``whose`` the caller."""

    __slots__ = ("_receive", "_scope", "method", "names", "query")

    def __init__(self, scope: Scope, receive: Receive, names: tuple[str, ...]) -> None:
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.names = names
        self._scope = scope
        self._receive = receive

    @property
    def whose(self) -> str:
        """For whom its caller counts: most questions need not know."""
        return holder_of(self._scope.get("client"))

    def header(self, name: bytes) -> bytes | None:
        """The first header called ``name`` (lower case)."""
        for key, value in self._scope["headers"]:
            if key == name:
                found: bytes = value
                return found
        return None

    async def receive(self) -> Message:
        """The next ASGI message."""
        return await self._receive()


class Answer(NamedTuple):
    """A whole answer."""

    body: bytes | bytearray
    status: int = 200
    media: bytes = JSON
    headers: Headers = ()

    def start(self) -> Message:
        """The ASGI message that begins it."""
        headers = [*_EVERY_ANSWER, *self.headers]
        if self.status != _NO_CONTENT:  # which has neither (RFC 9110, 8.6)
            headers.append((b"content-type", self.media))
            headers.append((b"content-length", b"%d" % len(self.body)))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


class Stream(NamedTuple):
    """An answer without an end. ``chunks`` is closed when the reader leaves."""

    chunks: AsyncGenerator[bytes]

    def start(self) -> Message:
        """The ASGI message that begins it."""
        headers = [(b"content-type", EVENTS), *_UNBUFFERED]
        return {"type": "http.response.start", "status": 200, "headers": headers}


def answer_json(value: object, status: int = 200) -> Answer:
    """``value``, a struct or plain data, as JSON."""
    return Answer(_encode(value), status)
