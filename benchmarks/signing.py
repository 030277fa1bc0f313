"""The module measures what a key adds to the CPU of an agent's beat, in one process.

A writer with a key and one without send to one server in turns, a burst each, and who is first in a
pair takes turns too. What else runs on the machine makes both dearer, and is seldom there in one half
of a pair only: so it is the median of the differences that counts, and a process of its own for each
would differ by more than what is looked for.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

from musterd.beat import Beat, member_id, pack
from musterd.keys import KEY_SIZE, FleetKeys, Keyring, Seal, challenge_digest, new_fleet_key
from musterd.model import Member
from musterd.stores import ShardWriter, open_store
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.slots.protocol import Keys
from musterd.urls import host_and_port

NAMESPACE = "musterd"
BURST = 48  # beats: as many as from one look at everything to the next, on every store
PAIRS = 80
ROUNDS = 9
SIGNATURES = 1000
_CHALLENGE = bytes(32)  # of two coordinators
_TIMEOUT = 30.0

Sender = tuple[ShardWriter, int]  # and the member_id of its member


async def added_by_key(url: str) -> list[float]:
    """Return what a key adds to a beat, in µs of CPU, once for each of :data:`ROUNDS`."""
    await _write_challenge(url)
    keyring = Keyring(NAMESPACE, fleet=FleetKeys(new_fleet_key()))
    plain, signing = await _writer(url, "plain", None), await _writer(url, "signing", keyring)
    try:
        return [await _round(plain, signing) for _ in range(ROUNDS + 1)][1:]
    finally:
        for writer, _ in (plain, signing):
            await writer.aclose()


def signature_alone() -> list[float]:
    """Return the µs of CPU that it takes to sign a beat, beside packing it, of each round."""
    beat, key = Beat(1, 7, 1, 1000), new_fleet_key()[:KEY_SIZE]
    seal, challenge = Seal(key, NAMESPACE, Member("compute", "alone")), challenge_digest(_CHALLENGE)

    def each(record: Callable[[], bytes]) -> float:
        began = time.thread_time()
        for _ in range(SIGNATURES):
            record()
        return 1e6 * (time.thread_time() - began) / SIGNATURES

    def added() -> float:
        return each(lambda: seal.record(beat, challenge)) - each(lambda: pack(beat))

    return [median(added() for _ in range(PAIRS)) for _ in range(ROUNDS)]


async def _round(plain: Sender, signing: Sender) -> float:
    return median([await _pair(plain, signing, at) for at in range(PAIRS)])


async def _pair(plain: Sender, signing: Sender, number: int) -> float:
    """Return by how many µs a beat of a burst with a key is dearer than one without."""
    turns = (plain, signing) if number % 2 else (signing, plain)
    cost = {sender: await _burst(sender, number) for sender in turns}
    return cost[signing] - cost[plain]


async def _writer(url: str, name: str, keyring: Keyring | None) -> Sender:
    store = open_store(url, namespace=NAMESPACE, timeout=_TIMEOUT, beat_ttl=600.0, keyring=keyring)
    member = Member("compute", name, "rack-12")
    identity = member_id(NAMESPACE, member.group, member.name)
    writer = store.writer(store.place(identity)[0])
    await writer.announce(member)
    return writer, identity


async def _burst(sender: Sender, burst: int) -> float:
    """Return the µs of CPU of each beat of a burst."""
    writer, identity = sender
    beats: Sequence[Beat] = [
        Beat(identity, 7, burst * BURST + number, 1000, sent_ms=1_700_000_000_000)
        for number in range(1, BURST + 1)
    ]
    began = time.thread_time()
    for beat in beats:
        await writer.beat(beat)
    return 1e6 * (time.thread_time() - began) / BURST


async def _write_challenge(url: str) -> None:
    if url.startswith("postgresql:"):
        link = PgSession(parse_url(url), _TIMEOUT)
        async with link.session() as session:
            await session.connection.execute(
                "INSERT INTO musterd.challenge VALUES ($1, $2) ON CONFLICT DO NOTHING",
                NAMESPACE,
                _CHALLENGE,
            )
        link.close()
        return
    server = MemcachedConnection(
        ServerAddress.from_host_port(*host_and_port(url.partition("://")[2]))
    )
    await server.set(Keys(NAMESPACE).challenge, _CHALLENGE)
    server.close()
