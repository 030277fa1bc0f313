"""Whole fleets in a store at once: a million members without a million agents.

A :class:`Fleet` is the members and their newest beats. :class:`KeyedFill` and :class:`PostgresFill`
write them where agents would have left them, only in bulk.
"""

import math
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import asyncpg
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import progress
from musterd.beat import MAGIC, SIZE, VERSION, member_id
from musterd.columns import RECORD
from musterd.model import Member
from musterd.stores.keyed import Keys, write_holder, write_slots
from musterd.stores.postgres_writer import namespace_key, signed
from musterd.urls import host_and_port

NAMESPACE = "musterd"
GROUP = "compute"
TTL = 24 * 3600
TIMEOUT = 60.0
PAUSE = 0.05  # seconds from one portion of a fleet's beats to the next
_PORTION = 10_000

Order = NDArray[np.int64]


class Fleet:
    """``members`` members of one group, in the slots from 0 on, and the newest beat of each."""

    def __init__(self, members: int, interval: float = 10.0, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self.names = [f"host-{number:07d}" for number in range(members)]
        self.records = np.zeros(members, RECORD)
        self.records["magic"], self.records["version"] = MAGIC, VERSION
        self.records["interval_ms"] = int(interval * 1000)
        self.records["member_id"] = [member_id(NAMESPACE, GROUP, name) for name in self.names]
        self.records["incarnation"] = self._random.integers(1, 2**64, members, np.uint64)
        self.records["sequence"] = 1

    def __len__(self) -> int:
        return len(self.names)

    def beat(self, rows: Order | slice = slice(None)) -> None:
        """The members in these rows beat once more."""
        self.records["sequence"][rows] += np.uint64(1)
        self.records["sent_ms"][rows] = int(time.time() * 1000)

    def shuffled(self) -> Order:
        """All rows in random order, as agents beat that do not know of each other."""
        return self._random.permutation(len(self))


class Fill(Protocol):
    """A way of writing a fleet into one store."""

    async def fill(self) -> None:
        """Announce everybody and write their first beats."""

    async def rewrite(self, rows: Order) -> None:
        """Write the newest beats of these rows, in this order."""

    async def aclose(self) -> None:
        """Close the connection."""


async def beat_at_once(fleet: Fleet, fill: Fill) -> None:
    """Everybody beats now, in random order, as fast as the store takes it."""
    fleet.beat()
    await fill.rewrite(fleet.shuffled())


def some(fleet: Fleet, share: float) -> Order:
    """The rows of so many, chosen at random and in random order, whose next beat is due."""
    rows = fleet.shuffled()[: math.ceil(share * len(fleet))]
    fleet.beat(rows)
    return rows


@asynccontextmanager
async def beating(fleet: Fleet, fill: Fill, interval: float) -> AsyncIterator[None]:
    """Within, everybody beats once an interval (seconds), in an order that is no order.

    What was late is made up for.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_beating, fleet, fill, interval)
        yield
        tasks.cancel_scope.cancel()


async def _keep_beating(fleet: Fleet, fill: Fill, interval: float) -> None:
    turns = max(1, round(interval / PAUSE))
    due = anyio.current_time()
    while True:
        for rows in np.array_split(fleet.shuffled(), turns):
            with anyio.CancelScope(shield=True):
                fleet.beat(rows)
                await fill.rewrite(rows)
            due += interval / turns
            await anyio.sleep_until(due)


class KeyedFill:
    """Into memcached or the embedded store, by the keys of musterd's slot protocol.

    Blocks the event loop while it writes: nothing is measured then.
    """

    def __init__(self, address: str, fleet: Fleet) -> None:
        self._fleet = fleet
        self._keys = Keys(NAMESPACE)
        self._socket = socket.create_connection(host_and_port(address), TIMEOUT)
        head, tail = b"set ", b" 0 %d %d noreply\r\n" % (TTL, SIZE)
        lines = (head + self._keys.beat(slot) + tail for slot in range(len(fleet)))
        heads = np.frombuffer(b"".join(lines), np.uint8).reshape(len(fleet), -1)
        self._record_at = heads.shape[1]
        self._commands = np.empty((len(fleet), self._record_at + SIZE + 2), np.uint8)
        self._commands[:, : self._record_at] = heads
        self._commands[:, -2:] = np.frombuffer(b"\r\n", np.uint8)

    async def fill(self) -> None:
        """Announce everybody and write their first beats."""
        for commands in progress(list(portions(len(self._fleet))), "announcing", "portion"):
            self._socket.sendall(b"".join(map(self._announcement, commands)))
        self._socket.sendall(_set(self._keys.counter, b"%d" % len(self._fleet)))
        await self.rewrite(np.arange(len(self._fleet)))

    async def rewrite(self, rows: Order) -> None:
        """Write the newest beats of these rows, in this order."""
        records = self._fleet.records.view(np.uint8).reshape(len(self._fleet), SIZE)
        for portion in portions(len(rows)):
            chosen = rows[portion.start : portion.stop]
            commands = self._commands[chosen]
            commands[:, self._record_at : -2] = records[chosen]
            self._socket.sendall(commands.tobytes())
        self._settle()

    async def aclose(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _announcement(self, slot: int) -> bytes:
        holder = write_holder(Member(GROUP, self._fleet.names[slot]))
        identity = int(self._fleet.records["member_id"][slot])
        index = _set(self._keys.index(identity), write_slots(slot))
        return _set(self._keys.holder(slot), holder) + index

    def _settle(self) -> None:
        """Wait until the server did it all; whatever else it says is a refusal."""
        self._socket.sendall(b"version\r\n")
        said = b""
        while not said.endswith(b"\r\n"):
            said += self._socket.recv(4096) or b"closed the connection\r\n"
        if not said.startswith(b"VERSION") or said.count(b"\r\n") > 1:
            raise RuntimeError(f"the server refused to be filled: {said[:200].decode()}")


def _set(key: bytes, value: bytes) -> bytes:
    return b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, len(value), value)


_MEMBERS = """
INSERT INTO musterd.member
SELECT slot, id, $1, $2, name, '', '', '{}', pg_current_xact_id()
FROM unnest($3::integer[], $4::bigint[], $5::text[]) AS new (slot, id, name)
"""
_BEATS = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record, role_key)
SELECT id, now(), slot, $1, record, hashtext(SESSION_USER)
FROM unnest($2::integer[], $3::bigint[], $4::bytea[]) AS new (slot, id, record)
"""
# As relays write: sorted by slot, all records as one text.
_REWRITE = f"""
UPDATE musterd.beat SET record = new.record, seen_at = now()
FROM (
    SELECT slot, substr($2::bytea, 1 + {SIZE} * (place::integer - 1), {SIZE}) AS record
    FROM unnest($1::integer[]) WITH ORDINALITY rows (slot, place) OFFSET 0
) new WHERE beat.slot = new.slot
"""
_SESSION = {
    "synchronous_commit": "off",
    # Else PostgreSQL would read the whole table for an UPDATE of some thousand rows.
    **dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "off"),
}


class PostgresFill:
    """Into musterd's tables, which exist and are empty."""

    def __init__(self, dsn: str, fleet: Fleet) -> None:
        self._dsn = dsn
        self._fleet = fleet
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def fill(self) -> None:
        """Announce everybody and write their first beats."""
        connection = await self._connect()
        ids = [signed(identity) for identity in self._fleet.records["member_id"].tolist()]
        for rows in progress(list(portions(len(self._fleet))), "announcing", "portion"):
            slots, names = list(rows), self._fleet.names[rows.start : rows.stop]
            theirs = ids[rows.start : rows.stop]
            await connection.execute(_MEMBERS, NAMESPACE, GROUP, slots, theirs, names)
            data = self._fleet.records[rows.start : rows.stop].tobytes()
            records = [data[at : at + SIZE] for at in range(0, len(data), SIZE)]
            await connection.execute(_BEATS, namespace_key(NAMESPACE), slots, theirs, records)
        await connection.execute("VACUUM ANALYZE musterd.member, musterd.beat")

    async def rewrite(self, rows: Order) -> None:
        """Write the newest beats of these rows, in this order."""
        connection = await self._connect()
        for portion in portions(len(rows)):
            chosen = np.sort(rows[portion.start : portion.stop])
            records = self._fleet.records[chosen].tobytes()
            await connection.execute(_REWRITE, chosen.tolist(), records)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._dsn, command_timeout=TIMEOUT, server_settings=_SESSION
            )
        return self._connection


def portions(count: int, size: int = _PORTION) -> Iterator[range]:
    """The numbers below ``count``, ``size`` at a time."""
    return (range(at, min(at + size, count)) for at in range(0, count, size))
