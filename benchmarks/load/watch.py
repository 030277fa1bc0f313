"""What the coordinator says while the swarm beats: how its sweeps go, and everybody's verdicts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from urllib.parse import urlencode

import anyio
import httpcore
import msgspec

from musterd.client import AsyncClient
from musterd.client_choice import read_addresses
from musterd.client_transport import url_of
from musterd.client_view import Event, EventParser
from musterd.errors import CoordinatorError, CoordinatorUnreachable
from musterd.model import EventChanges, EventSnapshot, State, StatusAnswer

PERIOD = 1.0
PATIENCE = 30.0
BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


@dataclass(frozen=True, slots=True)
class Poll:
    """One look: when, how long the answer took (seconds), and what it was (None: no answer)."""

    at: float
    took: float
    status: StatusAnswer | None


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that changed."""

    member: str
    state: State
    at: datetime


class Watch:
    """Polls one coordinator, and notes each change of a verdict that it publishes."""

    def __init__(self, url: str, group: str) -> None:
        self.polls: list[Poll] = []
        self.changes: list[Change] = []
        self.overrun = False
        self._polled = anyio.Event()
        self._url = url
        self._group = group
        self._client = AsyncClient(url, timeout=PATIENCE)

    @property
    def latest(self) -> StatusAnswer | None:
        """The last answer there was."""
        return next((poll.status for poll in reversed(self.polls) if poll.status), None)

    async def until_up(self, members: int) -> None:
        """Wait until so many are up, while :meth:`poll_for_ever` runs."""
        while self.up() < members:
            self._polled = anyio.Event()
            await self._polled.wait()

    def up(self) -> int:
        """How many members are up as far as is known."""
        return self.latest.states.get(State.UP, 0) if self.latest else 0

    async def poll_for_ever(self) -> None:
        """A look each second; one that takes longer delays the next."""
        while True:
            began = monotonic()
            status = await self.ask()
            self.polls.append(Poll(began, monotonic() - began, status))
            self._polled.set()
            await anyio.sleep(max(0.0, began + PERIOD - monotonic()))

    async def ask(self) -> StatusAnswer | None:
        """The coordinator's status now; None when it does not answer."""
        try:
            return await self._client.status()
        except (CoordinatorUnreachable, CoordinatorError):
            return None

    async def follow(self, version: int) -> None:
        """Note every change after ``version``, until cancelled."""
        since = str(version)
        while True:
            try:
                async for event in self._events(since):
                    since = event.id or since
                    self._take(event)
            except (*BROKEN, CoordinatorError):  # it may be too busy; nothing is missed by that
                await anyio.sleep(PERIOD)

    async def _events(self, since: str) -> AsyncIterator[Event]:
        parser = EventParser()
        [address] = read_addresses(self._url)
        target = f"/v1/events?{urlencode({'group': self._group, 'since': since})}"
        timeout = {"connect": PATIENCE, "read": PATIENCE, "write": PATIENCE, "pool": PATIENCE}
        url, extensions = url_of(address, target), {"timeout": timeout}
        async with (
            httpcore.AsyncConnectionPool() as pool,
            pool.stream("GET", url, extensions=extensions) as response,
        ):
            if response.status != 200:
                raise CoordinatorError(f"events: status {response.status}")
            async for piece in response.aiter_stream():
                for event in parser.feed(piece):
                    yield event

    async def aclose(self) -> None:
        """Drop the connections."""
        await self._client.aclose()

    def _take(self, event: Event) -> None:
        if (
            event.name == "snapshot"
        ):  # more changed than the coordinator keeps: what is down now counts
            self.overrun = True
            groups = msgspec.json.decode(event.data, type=EventSnapshot).groups
            now = datetime.now().astimezone()
            self.changes += [
                Change(member, verdict.state, now)
                for member, verdict in groups.get(self._group, {}).items()
                if verdict.down
            ]
        elif event.name == "changes":
            changes = msgspec.json.decode(event.data, type=EventChanges).changes
            self.changes += [Change(one.member, one.state, one.at) for one in changes]
