"""What tests of stores by TLS share: an agent and a coordinator at one of them."""

from musterd.beat import Beat, member_id, new_incarnation
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores import Store, open_store
from musterd.tls import Tls
from musterd_coordinator.sweep.base import open_reader

NAMESPACE = "fleet"
HOST = Member("compute", "host-1")
TIMEOUT = 5.0


def opened(url: str, tls: Tls | None = None) -> Store:
    """Open a store."""
    return open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600.0, tls=tls)


def beat(sequence: int = 1) -> Beat:
    """Make a beat of one member."""
    identity = member_id(NAMESPACE, HOST.group, HOST.name)
    return Beat(identity, new_incarnation(), sequence, interval_ms=1000)


async def beats_at(store: Store) -> None:
    """Beat once, as an agent does. Raises StoreError."""
    writer = store.writer(0)
    try:
        await writer.announce(HOST)
        assert await writer.beat(beat())
        assert await writer.renew() == ""
        assert await writer.beat(beat(2))
    finally:
        await writer.aclose()


async def seen_at(store: Store) -> list[str]:
    """Names of members whose beats a coordinator sees, after its canary. Raises StoreError."""
    reader = open_reader(store, 0, "c1")
    canary = beat()
    try:
        await reader.write_canary(canary)
        seated = dict((await reader.roster()).seated)
        sweep = await reader.sweep()
        assert sweep.complete
        assert sweep.canary == canary
        await reader.renew()
        assert (await reader.sweep()).complete
        return [seated[slot].name for slot in sweep.beats.slot.tolist()]
    finally:
        await reader.aclose()


async def refused_at(store: Store) -> tuple[str, str]:
    """Say why an agent cannot beat there, and why a coordinator cannot look."""
    reasons = []
    for attempt in (beats_at, seen_at):
        try:
            await attempt(store)
        except StoreError as error:
            reasons.append(error.reason)
    agent, coordinator = reasons
    return agent, coordinator
