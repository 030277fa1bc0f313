"""What services of a controller write of themselves, its door tells the fleet: it beats for them.

Each controller has a door of its own, and Nova on one asks for the conductors of all. So a door beats for
those that write to it, as an agent would: into the store, where coordinators judge them and all doors hear
of it. Nothing is queued and nothing tried again: the next that a service writes is the next beat.
"""

from collections.abc import Iterable, Mapping
from itertools import count
from socket import gethostname
from time import monotonic, time

import anyio
import structlog

from musterd.beat import Beat, member_id, new_incarnation
from musterd.errors import StoreError
from musterd.model import Member
from musterd.settings.declared.door import topics_of
from musterd.settings.keyring import keyring_of
from musterd.settings.settings import Settings
from musterd.stores import ShardWriter, Store, open_store
from musterd.tls import client_tls
from musterd_coordinator.limits.seldom import Seldom
from musterd_coordinator.nova.values import key_of

log = structlog.get_logger(__name__)


def services_here(settings: Settings) -> Mapping[bytes, Member]:
    """Return the services of this host for which the door is to beat, by Nova's key.

    A service is called as Nova's ``host``, which is the host's name where nova.conf has no other.
    """
    topics = topics_of(settings.nova_groups)
    hosts = {settings.member, gethostname()}
    return {
        key_of(topics[group], host): Member(group, host, settings.zone, settings.owner)
        for group in settings.nova_beat_groups
        for host in hosts
    }


class Herald:
    """A `Herald` beats in ``store`` for the services of ``members``, by Nova's key, when they are heard.

    ``interval`` is the seconds between two beats that it promises, and a push has ``timeout``.
    """

    def __init__(
        self,
        store: Store,
        members: Mapping[bytes, Member],
        *,
        namespace: str,
        interval: float,
        timeout: float,
    ) -> None:
        self._shards: dict[int, ShardWriter] = {}
        self._interval_ms = round(interval * 1000)
        self._timeout = timeout
        self._failed = Seldom("service not beaten for", monotonic)
        self._services = {
            key: self._service(store, member, member_id(namespace, member.group, member.name))
            for key, member in members.items()
        }
        self._heard: set[bytes] = set()
        self._any = anyio.Event()

    def hear(self, key: bytes) -> None:
        """Take in that a service wrote of itself; those of other hosts are not its business."""
        if key in self._services:
            self._heard.add(key)
            self._any.set()

    async def run(self) -> None:
        """Beat for whoever was heard, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._any.wait()
                self._any = anyio.Event()
                heard, self._heard = self._heard, set()
                for key in heard:
                    tasks.start_soon(self._beat, self._services[key])

    async def aclose(self) -> None:
        """Close the connections."""
        for writer in self._shards.values():
            await writer.aclose()

    def _service(self, store: Store, member: Member, number: int) -> "_Service":
        writers = [self._writer(store, shard) for shard in store.place(number)]
        return _Service(member, number, writers)

    def _writer(self, store: Store, shard: int) -> ShardWriter:
        if shard not in self._shards:
            self._shards[shard] = store.writer(shard)
        return self._shards[shard]

    async def _beat(self, service: "_Service") -> None:
        if service.is_under_way:  # the store is slow: this beat is as good as that one
            return
        beat = service.next_beat(self._interval_ms, round(self._timeout * 1000))
        with service:
            async with anyio.create_task_group() as tasks:
                for writer in service.writers:
                    tasks.start_soon(self._push, service, writer, beat)

    async def _push(self, service: "_Service", writer: ShardWriter, beat: Beat) -> None:
        try:
            with anyio.fail_after(self._timeout):
                await service.push(writer, beat)
        except (StoreError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout:g} s"
            self._failed.warn(member=str(service.member), shard=writer.name, reason=reason)


class _Service:
    """A `_Service` is one that the door beats for, and how far that has come."""

    def __init__(self, member: Member, number: int, writers: Iterable[ShardWriter]) -> None:
        self.member = member
        self.writers = list(writers)
        self.is_under_way = False
        self._number = number
        self._incarnation = new_incarnation()
        self._sequences = count(1)
        self._announced: set[str] = set()

    def next_beat(self, interval_ms: int, push_timeout_ms: int) -> Beat:
        """Return its next beat."""
        return Beat(
            self._number,
            self._incarnation,
            next(self._sequences),
            interval_ms,
            sent_ms=round(time() * 1000),
            push_timeout_ms=push_timeout_ms,
        )

    async def push(self, writer: ShardWriter, beat: Beat) -> None:
        """Write a beat to one shard, and announce the service before where that is needed."""
        if writer.name in self._announced and await writer.beat(beat):
            return
        await writer.announce(self.member)
        self._announced.add(writer.name)
        await writer.beat(beat)

    def __enter__(self) -> None:
        self.is_under_way = True

    def __exit__(self, *exc_info: object) -> None:
        self.is_under_way = False


def herald_of(settings: Settings) -> Herald | None:
    """Return what beats for services of this host; None where there are to be none.

    Raises ConfigError for a store or a key that cannot be used.
    """
    members = services_here(settings)
    if not members:
        return None
    timeout = settings.push_timeout_for(settings.interval)
    store = open_store(
        settings.store,
        namespace=settings.namespace,
        timeout=timeout,
        beat_ttl=settings.beat_ttl,
        keyring=keyring_of(settings),
        tls=client_tls(settings),
    )
    return Herald(
        store, members, namespace=settings.namespace, interval=settings.interval, timeout=timeout
    )
