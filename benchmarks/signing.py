"""The module measures what a key adds to the CPU of an agent's beat, in one process.

A writer with a key and one without send to one server in turns, in brief bursts. What else runs on
the machine only ever adds to a burst: so the least of many of each are compared.
"""

import time
from collections.abc import Sequence

from musterd.beat import Beat, member_id
from musterd.keys import FleetKeys, Keyring, new_fleet_key
from musterd.model import Member
from musterd.stores import ShardWriter, open_store
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.slots.protocol import Keys
from musterd.urls import host_and_port

NAMESPACE = "musterd"
BURST = 90  # beats: a look at the holder and the challenge is at every third
PAIRS = 40
ROUNDS = 7
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


async def _round(plain: Sender, signing: Sender) -> float:
    bursts = [[await _burst(sender, at) for sender in (plain, signing)] for at in range(PAIRS)]
    return min(with_key for _, with_key in bursts) - min(without for without, _ in bursts)


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
    began = time.process_time()
    for beat in beats:
        await writer.beat(beat)
    return 1e6 * (time.process_time() - began) / BURST


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
