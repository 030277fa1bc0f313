"""What a coordinator's own door knows is in its roll: it follows that as readers follow events."""

from collections.abc import AsyncGenerator, Mapping

import anyio
from anyio.lowlevel import checkpoint

from musterd.answers import MemberAnswer
from musterd.errors import NotFound
from musterd.model import Verdict
from musterd_coordinator.nova.view import NovaView
from musterd_coordinator.service.contract import PAGE_LIMIT, CoordinatorApi
from musterd_coordinator.service.selection import Filters
from musterd_coordinator.sweep.turns import in_steps

_READY_POLL = 0.2  # seconds
_PORTION = 100
"""Changes that are taken in before Nova has its turn."""


class OwnRoll:
    """An `OwnRoll` has the verdicts of the coordinator that it is in, by Nova's key."""

    def __init__(self, desk: CoordinatorApi, topics: Mapping[str, str]) -> None:
        self._desk = desk
        self._view = NovaView(topics)
        self._known = anyio.Event()

    @property
    def verdicts(self) -> Mapping[bytes, Verdict]:
        """Return the verdicts by Nova's key, as they are now."""
        return self._view.members

    @property
    def listening(self) -> bool:
        """Say whether the store is heard."""
        return self._desk.freshness()[0]

    @property
    def age(self) -> float:
        """Return the seconds since the store was last proven to be heard."""
        return self._desk.freshness()[1] or 0.0

    @property
    def origin(self) -> str:
        """Say who tells of verdicts."""
        return "this coordinator"

    async def known(self) -> None:
        """Wait for the first verdicts."""
        await self._known.wait()

    async def run(self) -> None:
        """Follow the roll for ever, once the coordinator has listened for long enough to answer."""
        while not self._desk.ready:  # noqa: ASYNC110  # that has no event of its own
            await anyio.sleep(_READY_POLL)
        version = await self._begin()
        while True:
            if self._view.members:
                self._known.set()
            await self._desk.wait_version(version)
            version = await self._go_on(version)

    async def late(self, group: str, seconds: float) -> AsyncGenerator[MemberAnswer, None]:
        """Yield the members of ``group`` that are up, and silent for so many seconds or more."""
        filters, after = Filters(up=True, silent_for=seconds), ""
        while True:
            try:
                steps = self._desk.members_steps(group, filters, after, PAGE_LIMIT)
                page = await in_steps(steps)
            except NotFound:
                return
            for member in page.members:
                yield member
            if page.next is None:
                return
            after = page.next

    async def _begin(self) -> int:
        """Read everything, as of some version that is returned; what changed meanwhile follows."""
        version, members = self._desk.version, dict[bytes, Verdict]()
        for portion in self._desk.portions(self._view.group):
            members.update(self._view.keyed(portion))
            await checkpoint()
        self._view.replace(members)
        return version

    async def _go_on(self, version: int) -> int:
        await self._desk.flushed()
        now, changes = self._desk.version, self._desk.changes_since(version, self._view.group)
        if changes is None:
            return await self._begin()
        for at, change in enumerate(changes, 1):
            self._view.take(change)
            if not at % _PORTION:
                await checkpoint()
        return now
