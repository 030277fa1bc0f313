"""The module opens relays by URL: an agent's way to a database by any relay that takes its beats.

All relays write into one database, so they are one shard. An agent beats to one of them at a time,
its favourite by rendezvous hashing, and goes to the next when that one fails it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from random import Random

import anyio

from musterd.beat import Beat, member_id
from musterd.errors import StoreError
from musterd.keys import Keyring
from musterd.logger import get_logger
from musterd.model import Member
from musterd.stores.base import Guarantees, Store, place
from musterd.stores.memcached.access import OPEN, ServerAccess
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.pool import ConnectionPool
from musterd.stores.memcached.store import UrlParts
from musterd.stores.slots.writer import SlotWriter
from musterd.tls import Tls

log = get_logger(__name__)

RELAY_PORT = 11411
LOOK_AFTER = 60.0
"""Seconds that an agent stays away from its favourite relay: as many at least, twice that at most.

Drawn for each agent, so that those which lost a relay together do not come back together.
"""
LONGEST_AWAY = 16 * LOOK_AFTER  # for a relay that takes its agents back and fails them again
_LOOK_TIMEOUT = 1.0


def open_url(
    url: str,
    *,
    namespace: str,
    timeout: float,
    beat_ttl: float,
    keyring: Keyring | None = None,
    tls: Tls | None = None,
) -> Store:
    """Return the store of ``relay://r1:11411,[::1]:11412``, reached by ``tls`` if that is given.

    Raises ConfigError for a URL that is not well formed.
    """
    parts = UrlParts(url)
    if parts.query:
        raise parts.error("has options; a relay takes none")
    servers = parts.servers(RELAY_PORT)
    name = ",".join(server.name for server in servers)
    return Store(
        url=f"{parts.scheme}://{name}",
        shard_names=(name,),
        replicas=1,
        guarantees=Guarantees.NEVER_EVICTS | Guarantees.SHARED,
        driver=RelayDriver(
            servers, namespace, timeout, beat_ttl, keyring, parts.access(tls, logs_in=False)
        ),
    )


@dataclass(frozen=True, slots=True)
class RelayDriver:
    """A ``RelayDriver`` has the relays, and how they are used.

    Relays show nothing: a coordinator must read the database itself.
    """

    servers: Sequence[ServerAddress]
    namespace: str
    timeout: float
    beat_ttl: float
    keyring: Keyring | None
    access: ServerAccess

    def writer(self, shard: int) -> "RelayWriter":
        """Return an agent's way to the relays."""
        del shard
        options = self.namespace, self.timeout, self.beat_ttl, self.keyring
        relays = [RelayRoute(one, *options, self.access) for one in self.servers]
        return RelayWriter(relays, self.namespace)


class RelayRoute:
    """A ``RelayRoute`` is one relay, and this agent's connection to it."""

    def __init__(
        self,
        server: ServerAddress,
        namespace: str,
        timeout: float,
        beat_ttl: float,
        keyring: Keyring | None = None,
        access: ServerAccess = OPEN,
    ) -> None:
        self.name = server.name
        self._server = server
        self._access = access
        self._options = namespace, timeout, beat_ttl, keyring
        self._closed = False
        self.writer = self._new_writer()

    async def abort(self) -> None:
        """Abort what is under way there, and forget which members were announced.

        An aborted beat cannot overtake the beats that go another way from now on.
        """
        old = self.writer
        if not self._closed:
            self.writer = self._new_writer()
        await old.aclose()

    async def aclose(self) -> None:
        """Abort what is under way there; nothing goes that way any more."""
        self._closed = True
        await self.abort()

    def _new_writer(self) -> SlotWriter:
        return SlotWriter(ConnectionPool(self._server, self._access), *self._options)


class RelayWriter:
    """A ``RelayWriter`` is one agent process's way to the relays.

    See :class:`musterd.stores.base.ShardWriter`. A beat that fails at one relay is False, "announce
    the member again", which then happens at the next relay: so both are tried within one push.
    """

    def __init__(
        self, relays: Sequence[RelayRoute], namespace: str, rng: Random | None = None
    ) -> None:
        self.name = ",".join(relay.name for relay in relays)
        self._relays = list(relays)  # favourite first, once a member is known
        self._namespace = namespace
        self._rng = rng or Random()
        self._members: dict[int, Member] = {}
        self._failed: set[int] = set()  # members with a beat that failed at one relay in this push
        self._at = 0
        self._used = ""  # the relay that took the last beat
        self._reason = ""
        self._look_at = inf
        self._came_back = -inf
        self._away = LOOK_AFTER

    async def announce(self, member: Member) -> None:
        """Announce the member at the relay in use."""
        identity = member_id(self._namespace, member.group, member.name)
        if not self._members:
            self._rank(identity)
        self._members[identity] = member
        relay = self._relays[self._at]
        writer = relay.writer
        try:
            await writer.announce(member)
        except BaseException as error:
            await self._leave(relay, writer, error)
            if isinstance(error, StoreError):
                raise type(error)(self.name, f"relay {relay.name}: {error.reason}") from None
            raise

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the member's beat; return False when it has to be announced, here or elsewhere."""
        relay = self._relays[self._at]
        writer = relay.writer
        try:
            stored = await writer.beat(beat)
        except BaseException as error:
            elsewhere = len(self._relays) > 1 or relay.writer is not writer
            await self._leave(relay, writer, error)
            if not isinstance(error, StoreError):
                raise
            if elsewhere and beat.member_id not in self._failed:
                self._failed.add(beat.member_id)
                return False
            self._failed.discard(beat.member_id)
            raise type(error)(self.name, f"relay {relay.name}: {error.reason}") from None
        if stored:
            self._took(relay, beat)
            await self._look_for_favourite(beat.member_id)
        return stored

    async def retire(self, member: Member) -> None:
        """Give up the member's slot at the relay; only a coordinator can forget a member."""
        await self._relays[self._at].writer.retire(member)

    async def renew(self) -> str:
        """Connect to the relay in use anew; return its address if that is another one."""
        relay = self._relays[self._at]
        try:
            return await relay.writer.renew()
        except StoreError as error:
            raise type(error)(self.name, f"relay {relay.name}: {error.reason}") from None

    async def aclose(self) -> None:
        """Drop the connections for good."""
        for relay in self._relays:
            await relay.aclose()

    def _rank(self, identity: int) -> None:
        order = place(identity, [relay.name for relay in self._relays], len(self._relays))
        self._relays = [self._relays[at] for at in order]

    async def _leave(self, relay: RelayRoute, writer: SlotWriter, error: BaseException) -> None:
        """Go on to the next relay, unless another call has done so already."""
        if relay.writer is not writer:
            await writer.aclose()
            return
        await relay.abort()
        if self._relays[self._at] is not relay:
            return
        self._reason = error.reason if isinstance(error, StoreError) else "no answer in time"
        if self._at == 0:
            self._stay_away()
        self._at = (self._at + 1) % len(self._relays)

    def _stay_away(self) -> None:
        now = anyio.current_time()
        brief = now - self._came_back < LONGEST_AWAY
        self._away = min(2 * self._away, LONGEST_AWAY) if brief else LOOK_AFTER
        self._look_at = now + self._rng.uniform(1, 2) * self._away

    def _took(self, relay: RelayRoute, beat: Beat) -> None:
        self._failed.discard(beat.member_id)
        if relay.name == self._used:
            return
        if self._used:
            with suppress(OSError, ValueError):  # a log that cannot be written stops no beat
                log.info("relay changed", relay=relay.name, before=self._used, reason=self._reason)
        self._used = relay.name

    async def _look_for_favourite(self, identity: int) -> None:
        """Go back to the first relay if it is time to and that relay answers.

        The beat is stored already; half of what its push has left is enough for a look.
        """
        now = anyio.current_time()
        if self._at == 0 or now < self._look_at:
            return
        self._look_at = inf  # for the other members of this process
        favourite, away_at = self._relays[0], self._relays[self._at]
        left = (anyio.current_effective_deadline() - now) / 2
        with anyio.move_on_after(min(left, _LOOK_TIMEOUT)), suppress(StoreError):
            await favourite.writer.announce(self._members[identity])
            self._came_back = now
            self._reason = "favourite"
            self._at = 0
            await away_at.abort()
            return
        await favourite.abort()
        self._stay_away()
