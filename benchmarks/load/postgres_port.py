"""The module has the port of a PostgreSQL, as a swarm's agents meet it."""

import asyncio
from typing import NamedTuple

import msgspec

from benchmarks.bulk import portions, seat
from benchmarks.load.fleet import Seated, member
from benchmarks.load.lane import Lane
from benchmarks.load.port import LONG, TIMEOUT
from benchmarks.load.postgres_script import STATEMENT, PostgresScript
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores.link import milliseconds
from musterd.stores.postgres.crowd import UNSIGNED
from musterd.stores.postgres.session import Connection, PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.rowwriter import namespace_key, signed


class _Owner(NamedTuple):
    """An `_Owner` is what asyncpg must not be rid of while a lane uses its connection."""

    link: PgSession
    prepared: object

    def close(self) -> None:
        """Drop the connection at once."""
        self.link.close()


class PostgresPort:
    """A `PostgresPort` is one database (:class:`benchmarks.load.port.Port`)."""

    def __init__(self, url: str, namespace: str) -> None:
        self.target = parse_url(url)
        self.name = self.target.name
        self._namespace = namespace
        self._key = namespace_key(namespace)
        self._link = PgSession(self.target, LONG)

    def script(self, members: Seated) -> PostgresScript:
        """Return the beats of ``members`` as messages."""
        return PostgresScript(members)

    async def connect(self, lane: Lane) -> None:
        """Give ``lane`` a session that knows the statement. Raises StoreError."""
        link = PgSession(self.target, TIMEOUT)
        async with link.session() as session:
            if not session.direct:
                raise ShardRefused(self.name, "is a pooler: give the URL of PostgreSQL itself")
            prepared = await session.connection.prepare(UNSIGNED.beat, name=STATEMENT)
            lane.owner = _Owner(link, prepared)
            _take_over(session.connection, lane)

    async def announce_all(self, members: Seated) -> None:
        """Write all members and their first beats. Raises StoreError."""
        for at in portions(len(members.slots)):
            some = list(map(member, members.fleet.number[at].tolist()))
            async with self._link.session() as session, session.connection.transaction():
                await session.connection.execute("SET LOCAL synchronous_commit = off")
                slots, records = members.slots[at], members.records[at]
                await seat(session.connection, self._namespace, slots, records, some)

    async def announce(self, one: Member, record: bytes) -> int:
        """Announce as agents do, and beat. Raises StoreError."""
        identity = signed(int.from_bytes(record[8:16], "little"))
        facts = one.zone, one.owner, msgspec.json.encode(one.metadata).decode()
        names = self._namespace, one.group, one.name
        limit = milliseconds(TIMEOUT)
        async with self._link.session(TIMEOUT) as session:
            slot: int = await session.connection.fetchval(
                UNSIGNED.announce, identity, *names, *facts, self._key, limit
            )
            await session.connection.execute(UNSIGNED.beat, slot, identity, record)
        return slot

    async def remove_all(self, members: Seated) -> None:
        """Do nothing: :meth:`forget` removes the members of every worker."""
        del members

    async def first_slot(self) -> int:
        """Return the least slot above all that are taken. Raises StoreError."""
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


def _take_over(connection: Connection, lane: Lane) -> None:
    """Have ``lane`` hear the connection's transport instead of asyncpg."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    transport.set_protocol(lane)
    lane.connection_made(transport)
