"""Endpoints, times and incidents for tests of messages about incidents."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import inf

import anyio
from anyio.abc import SocketAttribute, SocketStream

from musterd.incidents import Incident, IncidentKind
from musterd_coordinator.notify.endpoint import Undelivered
from musterd_coordinator.notify.matters import Message

START = datetime(2026, 3, 1, tzinfo=UTC)

Answer = Callable[[SocketStream], Awaitable[None]]


def incident(
    name: str = "a",
    count: int = 3,
    kind: IncidentKind = IncidentKind.DEATHS,
    parts: Sequence[Incident] = (),
    zone: str = "",
) -> Incident:
    """An incident of a zone, ``rack-NAME`` unless given, whose id is the name."""
    return Incident(
        id=name,
        kind=kind,
        group="compute",
        zone=zone or f"rack-{name}",
        scope="",
        count=count,
        suspect=0,
        zones=1,
        members=["compute/h1"],
        since=START,
        newest=None,
        until=None,
        what=f"{count} members of rack-{name} are down",
        next="Go there.",
        command="musterd members",
        parts=parts,
    )


class HandClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now)


class ListEndpoint:
    """An endpoint that keeps what it takes, in a list, or fails as a test says."""

    name = "list"
    batch = 1

    def __init__(self, repeat: float = inf) -> None:
        self.repeat = repeat
        self.taken: list[Message] = []
        self.fails: Undelivered | None = None
        self.tries = 0

    async def deliver(self, messages: Sequence[Message]) -> None:
        self.tries += 1
        if self.fails is not None:
            raise self.fails
        self.taken += messages

    @property
    def events(self) -> list[str]:
        return [one.event.value for one in self.taken]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads one request of a connection and then does what ``answer`` does.

    Gives its URL, and the requests that came.
    """
    came = list[bytes]()

    async def serve(stream: SocketStream) -> None:
        async with stream:
            try:
                came.append(await _request(stream))
                await answer(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}", came
        tasks.cancel_scope.cancel()


async def _request(stream: SocketStream) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += await stream.receive()
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body
