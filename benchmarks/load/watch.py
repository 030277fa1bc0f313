"""The module notes what the coordinator says while the swarm beats: its sweeps and its verdicts."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import anyio

from musterd.answers import MemberChange
from musterd.client import AsyncClient
from musterd.client.choice import Address
from musterd.client.follow import Follower
from musterd.client.view import GroupView
from musterd.errors import CoordinatorError, CoordinatorUnreachable, MusterdError
from musterd.model import State, Verdict
from musterd.status import StatusAnswer

PERIOD = 1.0
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Poll:
    """A `Poll` is one look: when, how long the answer took (seconds), and the answer, if any."""

    at: float
    took: float
    status: StatusAnswer | None


@dataclass(frozen=True, slots=True)
class Change:
    """A `Change` is a verdict that changed."""

    member: str
    state: State
    at: datetime


class Watch:
    """A `Watch` polls one coordinator, and notes each change of a verdict that it publishes."""

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
        """Return the last answer there was."""
        return next((poll.status for poll in reversed(self.polls) if poll.status), None)

    async def until_up(self, members: int) -> None:
        """Wait until so many are up, while :meth:`poll_for_ever` runs."""
        while self.up() < members:
            self._polled = anyio.Event()
            await self._polled.wait()

    def up(self) -> int:
        """Return how many members are up as far as is known."""
        return self.latest.states.get(State.UP, 0) if self.latest else 0

    async def poll_for_ever(self) -> None:
        """Look once a second; a look that takes longer delays the next."""
        while True:
            began = monotonic()
            status = await self.ask()
            self.polls.append(Poll(began, monotonic() - began, status))
            self._polled.set()
            await anyio.sleep(max(0.0, began + PERIOD - monotonic()))

    async def ask(self) -> StatusAnswer | None:
        """Return the coordinator's status now; None when it does not answer."""
        try:
            return await self._client.status()
        except (CoordinatorUnreachable, CoordinatorError):
            return None

    async def follow(self, version: int) -> None:
        """Note every change after ``version``, until cancelled."""
        await Follower(self._url, Changes(self, self._group, version), self).run()

    def on_connect(self, address: Address) -> None:
        """Do nothing: the changes come in."""

    def on_update(self) -> None:
        """Do nothing: one of the changes came."""

    def on_disconnect(self, address: Address, error: MusterdError) -> None:
        """Do nothing: a busy coordinator is asked again, and nothing is missed by that."""

    async def aclose(self) -> None:
        """Drop the connections."""
        await self._client.aclose()


class Changes(GroupView):
    """A `Changes` follows one group, puts its changes down and keeps no members."""

    def __init__(self, watch: Watch, group: str, version: int) -> None:
        super().__init__(group)
        self.resume = str(version)
        self._watch = watch

    def change(self, key: str, change: MemberChange) -> None:
        self._watch.changes.append(Change(key, change.state, change.at))

    def replace(self, members: dict[str, Verdict]) -> None:
        """Count what is down now: more changed than the coordinator keeps."""
        now = datetime.now().astimezone()
        self._watch.overrun = True
        down = {name: verdict for name, verdict in members.items() if verdict.down}
        self._watch.changes += [Change(name, one.state, now) for name, one in down.items()]
