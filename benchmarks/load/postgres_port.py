"""A PostgreSQL as a swarm's agents meet it."""

import asyncio
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.load.fleet import GROUP, ZONES, Seated
from benchmarks.load.lane import Lane
from benchmarks.load.port import LONG, TIMEOUT
from benchmarks.load.postgres_script import STATEMENT, PostgresScript
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores.postgres_crowd import ANNOUNCE, BEAT
from musterd.stores.postgres_link import Connection, Link, milliseconds
from musterd.stores.postgres_url import parse_url
from musterd.stores.postgres_writer import namespace_key, signed

CHUNK = 20_000

# The rows of musterd.announce for many members at once, in slots that were set aside for them.
_SEATS = """
INSERT INTO musterd.member (
    slot, member_id, namespace, "group", name, zone, owner, metadata, changed)
SELECT slot, member_id, $4, $5, format('load-%s', lpad(number::text, 8, '0')),
    format('rack-%s', lpad((number % $6)::text, 3, '0')), '', '{}', pg_current_xact_id()
FROM unnest($1::int[], $2::bigint[], $3::int[]) AS fleet (slot, member_id, number)
"""
_BEATS = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record, role_key)
SELECT member_id, now(), slot, $4, substr($3::bytea, 1 + (place::int - 1) * 64, 64),
    hashtext(SESSION_USER)
FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS fleet (slot, member_id, place)
"""


class _Owner(NamedTuple):
    """What asyncpg must not be rid of while a lane uses its connection."""

    link: Link
    prepared: object

    def close(self) -> None:
        """Drop the connection at once."""
        self.link.close()


class PostgresPort:
    """One database (:class:`benchmarks.load.port.Port`)."""

    def __init__(self, url: str, namespace: str) -> None:
        self.target = parse_url(url)
        self.name = self.target.name
        self._namespace = namespace
        self._key = namespace_key(namespace)
        self._link = Link(self.target, LONG)

    def script(self, members: Seated) -> PostgresScript:
        """The beats of ``members`` as messages."""
        return PostgresScript(members)

    async def connect(self, lane: Lane) -> None:
        """Give ``lane`` a session that knows the statement. Raises StoreError."""
        link = Link(self.target, TIMEOUT)
        async with link.session() as session:
            if not session.direct:
                raise ShardRefused(self.name, "is a pooler: give the URL of PostgreSQL itself")
            prepared = await session.connection.prepare(BEAT, name=STATEMENT)
            lane.owner = _Owner(link, prepared)
            _take_over(session.connection, lane)

    async def announce_all(self, members: Seated) -> None:
        """Write all members and their first beats. Raises StoreError."""
        for at in range(0, len(members.slots), CHUNK):
            await self._announce_some(members, slice(at, at + CHUNK))

    async def announce(self, member: Member, record: bytes) -> int:
        """Announce as agents do, and beat. Raises StoreError."""
        identity = signed(int.from_bytes(record[8:16], "little"))
        facts = member.zone, member.owner, msgspec.json.encode(member.metadata).decode()
        names = self._namespace, member.group, member.name
        limit = milliseconds(TIMEOUT)
        async with self._link.session(TIMEOUT) as session:
            slot: int = await session.connection.fetchval(
                ANNOUNCE, identity, *names, *facts, self._key, limit
            )
            await session.connection.execute(BEAT, slot, identity, record)
        return slot

    async def remove_all(self, members: Seated) -> None:
        """Nothing: :meth:`forget` removes every worker's."""
        del members

    async def first_slot(self) -> int:
        """The least slot above all that are taken. Raises StoreError."""
        async with self._link.session() as session:
            first: int = await session.connection.fetchval(
                "SELECT coalesce(max(slot), -1) + 1 FROM musterd.member"
            )
        return first

    async def forget(self) -> None:
        """Delete all rows of the namespace, members and beats, canaries too. Raises StoreError."""
        async with self._link.session() as session:
            delete = session.connection.execute
            await delete("DELETE FROM musterd.beat WHERE namespace_key = $1", self._key)
            await delete("DELETE FROM musterd.member WHERE namespace = $1", self._namespace)

    def close(self) -> None:
        """Drop the connection that belongs to no lane."""
        self._link.close()

    async def _announce_some(self, members: Seated, part: slice) -> None:
        slots = members.slots[part].tolist()
        ids = members.fleet.member_id[part].view(np.int64).tolist()
        numbers = members.fleet.number[part].tolist()
        records = members.records[part].tobytes()
        async with self._link.session() as session, session.connection.transaction():
            run = session.connection.execute
            await run("SET LOCAL synchronous_commit = off")
            await run(_SEATS, slots, ids, numbers, self._namespace, GROUP, ZONES)
            await run(_BEATS, slots, ids, records, self._key)


def _take_over(connection: Connection, lane: Lane) -> None:
    """Have ``lane`` hear the connection's transport instead of asyncpg."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]
    transport.set_protocol(lane)
    lane.connection_made(transport)
