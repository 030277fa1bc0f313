"""The module puts whole fleets in a store at once: a million members without a million agents.

A :class:`Fleet` is the members and their newest beats. :class:`KeyedFill` and :class:`PostgresFill`
write them where agents would have left them, only in bulk.
"""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle
from typing import Protocol

import anyio
import asyncpg
import numpy as np
from numpy.typing import NDArray

from benchmarks.bulk import (
    TIMEOUT,
    Pipe,
    announcements,
    beats,
    counter,
    first_beats,
    portions,
    seat,
)
from benchmarks.crowd import Crowd, shares
from benchmarks.figures import progress
from musterd.beat import SIZE, member_id
from musterd.model import Member
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.stores.slots.protocol import Keys, write_holder
from musterd.urls import host_and_port

NAMESPACE = "musterd"
GROUP = "compute"
TTL = 24 * 3600
PAUSE = 0.05  # seconds from one portion of a fleet's beats to the next

Order = NDArray[np.int64]
Send = Callable[[], Awaitable[None]]
"""Writes what is ready."""


class Fleet:
    """A `Fleet` is ``members`` members of one group, in slots from 0 on, and their newest beats."""

    def __init__(self, members: int, interval: float = 10.0, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self.names = [f"host-{number:07d}" for number in range(members)]
        ids = (member_id(NAMESPACE, GROUP, name) for name in self.names)
        incarnations = self._random.integers(1, 2**64, members, np.uint64)
        self.records = first_beats(
            np.fromiter(ids, np.uint64, members), incarnations, interval, time.time()
        )

    def __len__(self) -> int:
        return len(self.names)

    def members(self, at: slice) -> list[Member]:
        """Return the members in these rows, as their agents announce them."""
        return [Member(GROUP, name) for name in self.names[at]]

    def macs(self, at: slice) -> list[bytes | None]:
        """Return the macs of what the members in these rows announce; None of one that signs nothing."""
        return [None] * len(self.names[at])

    def holders(self, at: slice) -> list[bytes]:
        """Return what stands in the slots of the members in these rows."""
        return list(map(write_holder, self.members(at)))

    def beat(self, rows: Order | slice = slice(None)) -> None:
        """Let the members in these rows beat once more."""
        self.records["sequence"][rows] += np.uint64(1)
        self.records["sent_ms"][rows] = int(time.time() * 1000)

    def shuffled(self) -> Order:
        """Return all rows in random order, as agents beat that do not know of each other."""
        return self._random.permutation(len(self))


class Fill(Protocol):
    """A `Fill` is a way of writing a fleet into one store."""

    async def fill(self) -> None:
        """Announce all members and write their first beats."""

    async def prepare(self, rows: Order) -> Send:
        """Make the newest beats of these rows ready to be written, in this order."""

    async def challenge(self) -> bytes:
        """Return the challenge that stands in the store; empty where there is none."""

    async def aclose(self) -> None:
        """Close the connection."""


async def beat_at_once(fleet: Fleet, fill: Fill) -> None:
    """Let all members beat now, in random order, as fast as the store takes it."""
    fleet.beat()
    await rewrite(fill, fleet.shuffled())


async def rewrite(fill: Fill, rows: Order) -> None:
    """Write the newest beats of these rows, in this order."""
    send = await fill.prepare(rows)
    await send()


def some(fleet: Fleet, share: float) -> Order:
    """Let a ``share`` of the members beat once; return their rows, chosen at random and shuffled."""
    rows = fleet.shuffled()[: math.ceil(share * len(fleet))]
    fleet.beat(rows)
    return rows


@asynccontextmanager
async def beating(fleet: Fleet, fill: Fill, interval: float) -> AsyncIterator[None]:
    """Let all members beat once an interval (seconds) while the context lasts.

    They come in random order, the same each time. What was late is made up for.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_beating, fleet, fill, interval)
        yield
        tasks.cancel_scope.cancel()


async def _keep_beating(fleet: Fleet, fill: Fill, interval: float) -> None:
    due, pause = anyio.current_time(), interval / portions_of(interval)
    for rows in in_turn(fleet, interval):
        with anyio.CancelScope(shield=True):
            fleet.beat(rows)
            await rewrite(fill, rows)
        due += pause
        await anyio.sleep_until(due)


def in_turn(fleet: Fleet, interval: float) -> Iterator[Order]:
    """Yield for ever whose beats are due next: everybody's an interval after its last one, as of agents."""
    return cycle(np.array_split(fleet.shuffled(), portions_of(interval)))


def portions_of(interval: float) -> int:
    """Return how many portions the beats of an interval (seconds) are sent in."""
    return max(1, round(interval / PAUSE))


class KeyedFill:
    """A `KeyedFill` writes into memcached or the embedded store, by keys of the slot protocol."""

    def __init__(self, address: str, fleet: Fleet) -> None:
        self._fleet = fleet
        self._keys = Keys(NAMESPACE)
        self._pipe, self._crowd = Pipe(address), Crowd(address)
        self._asked = MemcachedConnection(ServerAddress.from_host_port(*host_and_port(address)))

    async def fill(self) -> None:
        """Announce all members and write their first beats."""
        everybody = progress(list(portions(len(self._fleet))), "announcing", "portion")
        await self._pipe.pour(map(self._announced, everybody))
        await self._pipe.pour([counter(self._keys, len(self._fleet))])

    async def prepare(self, rows: Order) -> Send:
        """Make the newest beats of these rows ready to be written, in this order."""
        parts, records = np.array_split(rows, shares(len(rows))), self._fleet.records
        commands = [beats(self._keys, TTL, part, records[part]) for part in parts]
        return partial(self._crowd.pour, commands)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pipe.aclose()
        self._crowd.close()
        self._asked.close()

    async def challenge(self) -> bytes:
        """Return the challenge; empty where there is none."""
        return (await self._asked.gets(self._keys.challenge))[0] or b""

    def _announced(self, at: slice) -> bytes:
        holders = self._fleet.holders(at)
        rows = np.frombuffer(b"".join(holders), np.uint8).reshape(len(holders), -1)
        slots = np.arange(at.start, at.stop)
        return announcements(self._keys, TTL, slots, self._fleet.records[at], rows)


# As relays write: sorted by slot, all records as one text.
_REWRITE = f"""
UPDATE musterd.beat SET record = new.record, seen_at = now()
FROM (
    SELECT slot, substr($2::bytea, 1 + {SIZE} * (place::integer - 1), {SIZE}) AS record
    FROM unnest($1::integer[]) WITH ORDINALITY rows (slot, place) OFFSET 0
) new WHERE beat.slot = new.slot
"""
_CHALLENGE = "SELECT value FROM musterd.challenge WHERE namespace = $1"
_SESSION = {
    "synchronous_commit": "off",
    # Else PostgreSQL would read the whole table for an UPDATE of some thousand rows.
    **dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "off"),
}


class PostgresFill:
    """A `PostgresFill` writes into musterd's tables, which exist and are empty."""

    def __init__(self, dsn: str, fleet: Fleet) -> None:
        self._dsn = dsn
        self._fleet = fleet
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def fill(self) -> None:
        """Announce all members and write their first beats."""
        connection, fleet = await self._connect(), self._fleet
        for at in progress(list(portions(len(fleet))), "announcing", "portion"):
            slots, members = np.arange(at.start, at.stop), fleet.members(at)
            records, macs = fleet.records[at], fleet.macs(at)
            await seat(connection, NAMESPACE, slots, records, members, macs)
        await connection.execute("VACUUM ANALYZE musterd.member, musterd.beat")

    async def prepare(self, rows: Order) -> Send:
        """Make the newest beats of these rows ready to be written; they are sorted, as by a relay."""
        chosen = [np.sort(rows[at]) for at in portions(len(rows))]
        records = self._fleet.records
        return partial(self._write, [(one.tolist(), records[one].tobytes()) for one in chosen])

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def challenge(self) -> bytes:
        """Return the challenge; empty where there is none."""
        connection = await self._connect()
        value: bytes | None = await connection.fetchval(_CHALLENGE, NAMESPACE)
        return value or b""

    async def _write(self, parts: Sequence[tuple[list[int], bytes]]) -> None:
        connection = await self._connect()
        for slots, records in parts:
            await connection.execute(_REWRITE, slots, records)

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._dsn, command_timeout=TIMEOUT, server_settings=_SESSION
            )
        return self._connection
