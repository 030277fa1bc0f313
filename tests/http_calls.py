"""Calling the HTTP app in this process, without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import msgspec
from starlette.types import Message, Scope

from musterd.client.view import Event, EventParser
from musterd_coordinator.http import App

JSON = {"content-type": "application/json"}


class Reply(NamedTuple):
    """What the app answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


async def ask(
    app: App,
    target: str,
    method: str = "GET",
    body: bytes | object = b"",
    headers: dict[str, str] | None = None,
    caller: str = "127.0.0.1",
    *,
    state: dict[str, str] | None = None,
) -> Reply:
    """One request; a body that is not bytes is sent as JSON, in two pieces."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = headers if headers is not None else ({} if isinstance(body, bytes) else JSON)
    pieces = [data[:7], data[7:]]
    sent: list[Message] = []

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {**_scope(target, method, given, caller), "state": state or {}}
    await app(scope, receive, send)
    start, *parts = sent
    fields = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], fields, b"".join(part.get("body", b"") for part in parts))


class Reader:
    """A reader of events that takes them when it likes."""

    def __init__(self) -> None:
        self._parser = EventParser()
        self._send, self._receive = anyio.create_memory_object_stream[bytes](0)
        self._events: list[Event] = []
        self.ended = anyio.Event()

    async def send(self, message: Message) -> None:
        """The app's side: waits until the reader wants more, as a full connection does."""
        if message.get("more_body"):
            await self._send.send(message["body"])
        elif "body" in message:
            self.ended.set()

    async def next(self) -> tuple[str, Any]:
        """The next event's name and data."""
        event = await self.event()
        return event.name, msgspec.json.decode(event.data)

    async def event(self) -> Event:
        """The next event as it came."""
        while not self._events:
            self._events += self._parser.feed(await self._receive.receive())
        return self._events.pop(0)

    def close(self) -> None:
        """Take no more."""
        self._send.close()
        self._receive.close()


@asynccontextmanager
async def reading(
    app: App, target: str, headers: dict[str, str] | None = None, caller: str = "127.0.0.1"
) -> AsyncIterator[Reader]:
    """Follow a stream of events; at the end the reader disconnects."""
    reader = Reader()
    gone = anyio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, _scope(target, "GET", headers or {}, caller), receive, reader.send)
        try:
            yield reader
        finally:
            gone.set()
    reader.close()


def _scope(target: str, method: str, headers: dict[str, str], caller: str) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "client": (caller, 1),
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode())
            for name, value in ({"host": "localhost"} | headers).items()
        ],
    }
