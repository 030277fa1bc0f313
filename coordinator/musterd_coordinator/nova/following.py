"""What the door knows is what coordinators tell it, or what it knew last."""

import math
from collections.abc import Mapping

import anyio
import structlog

from musterd.client.choice import Address
from musterd.client.follow import Follower
from musterd.errors import MusterdError
from musterd.model import Verdict
from musterd.settings.declared.door import topics_of
from musterd.settings.settings import Settings
from musterd.tls import client_tls
from musterd_coordinator.nova.lastview import LastView
from musterd_coordinator.nova.view import NovaView

log = structlog.get_logger(__name__)


FRESH = 30.0
"""Seconds up to which a view is one of just now: a door that was away for no longer opens by it at once."""

PATIENCE = 30.0
"""Seconds that an older view waits for coordinators. Nova took all hosts for down meanwhile in any case, and
a host that was down then may be up now."""


class Following:
    """A `Following` follows one of several coordinators, and keeps what it knew while there is none."""

    def __init__(self, settings: Settings, token: str | None) -> None:
        self.problem = "none is followed yet"
        self._address: Address | None = None
        self._view = NovaView(topics_of(settings.nova_groups))
        self.follower = Follower(
            settings.coordinator, self._view, self, token=token, tls=client_tls(settings)
        )
        self._known = anyio.Event()  # there are verdicts
        self._told = anyio.Event()  # by a coordinator
        self._remembered = math.inf  # seconds that what is remembered was old
        self._since = anyio.current_time()

    @property
    def topics(self) -> Mapping[str, str]:
        """Return Nova's topic by group that is followed."""
        return self._view.topics

    @property
    def verdicts(self) -> Mapping[bytes, Verdict]:
        """Return the verdicts by Nova's key, as they are now."""
        return self._view.members

    @property
    def changes(self) -> int:
        """Return how often verdicts changed so far."""
        return self._view.changes

    @property
    def listening(self) -> bool:
        """Say whether the coordinator hears the store, and this hears the coordinator."""
        return self.follower.connected and self._view.listening

    @property
    def age(self) -> float:
        """Return the seconds since the store was last proven to be heard, as far as is known."""
        if self._view.whole:
            return self.follower.age
        return self._remembered + anyio.current_time() - self._since

    @property
    def origin(self) -> str:
        """Say which coordinator is followed, or why none is."""
        if self._address is not None and self._view.listening:
            return f"follows {self._address}"
        if self._address is not None:
            return f"follows {self._address}, which does not hear its store"
        return f"no coordinator: {self.problem}"

    def remember(self, last: LastView) -> None:
        """Begin with what an earlier run knew, until a coordinator tells of now."""
        self._view.replace(last.verdicts)
        self._remembered, self._since = max(0.0, last.age), anyio.current_time()
        self._note()

    async def run(self) -> None:
        """Follow for ever."""
        await self.follower.run()

    async def known(self) -> None:
        """Wait for verdicts to answer by: those of a coordinator, or else of an earlier run."""
        if self._remembered > FRESH:
            with anyio.move_on_after(PATIENCE):
                await self._told.wait()
        await self._known.wait()

    def on_connect(self, address: Address) -> None:
        """Take note of the coordinator that is followed."""
        self._address = address
        log.info("door follows", coordinator=str(address), members=len(self.verdicts))

    def on_update(self) -> None:
        """Take note of another whole event."""
        self._note()
        if self.verdicts:
            self._told.set()

    def on_disconnect(self, address: Address, error: MusterdError) -> None:
        """Say that the last view stands, once."""
        if self._address is not None:
            log.warning(
                "door lost its coordinator",
                coordinator=str(address),
                reason=str(error),
                note="it answers by what it knew",
            )
        self._address, self.problem = None, f"{address}: {error}"

    def _note(self) -> None:
        if self.verdicts:
            self._known.set()
