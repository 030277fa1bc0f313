"""Writers and readers of a PostgreSQL store, and the members and beats that its tests write."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg

from musterd.beat import Beat, member_id
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores import ShardWriter
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.postgres.writer import PostgresWriter
from musterd.stores.rowwriter import namespace_key, signed
from musterd.testing.servers import Database
from musterd_coordinator.sweep.base import ShardReader
from musterd_coordinator.sweep.postgres.reader import PostgresReader
from musterd_coordinator.sweep.postgres.roster import PAGE, PORTION

NAMESPACE = "fleet"
TIMEOUT = 5.0


def writer_of(
    url: str,
    timeout: float = TIMEOUT,
    namespace: str = NAMESPACE,
    keyring: Keyring | None = None,
) -> PostgresWriter:
    """An agent's way to the database."""
    return PostgresWriter(PgSession(parse_url(url), timeout), namespace, keyring)


def reader_of(
    url: str,
    timeout: float = TIMEOUT,
    coordinator: str = "c1",
    namespace: str = NAMESPACE,
    *,
    page: int = PAGE,
    portion: int = PORTION,
) -> ShardReader:
    """A coordinator's way to the database, which reads so many rows of the roster at once."""
    target = parse_url(url)
    return PostgresReader(target, namespace, coordinator, timeout, page=page, portion=portion)


@asynccontextmanager
async def both(
    url: str,
    timeout: float = TIMEOUT,  # noqa: ASYNC109
    *,
    page: int = PAGE,
    portion: int = PORTION,
) -> AsyncIterator[tuple[ShardWriter, ShardReader]]:
    """A writer and a reader, with the tables made."""
    writer = writer_of(url, timeout)
    reader = reader_of(url, timeout, page=page, portion=portion)
    try:
        await reader.roster()
        yield writer, reader
    finally:
        await writer.aclose()
        await reader.aclose()


def host(number: int, zone: str = "") -> Member:
    return Member("compute", f"host-{number:04}", zone)


def rows_of(names: Iterable[str], changed: str = "pg_current_xact_id()", first: int = 0) -> str:
    """SQL that puts members into the roster as its owner can, in slots from ``first`` on.

    ``changed`` may say ``{slot}``.
    """
    rows = (
        f"({slot}, {signed(member_id(NAMESPACE, 'compute', name))}, '{NAMESPACE}', 'compute',"
        f" '{name}', '', '', '{{}}', {changed.format(slot=slot)})"
        for slot, name in enumerate(names, first)
    )
    return f"INSERT INTO musterd.member VALUES {', '.join(rows)}"


def beat_of(member: Member, sequence: int = 1, incarnation: int = 2**64 - 1) -> Beat:
    its_id = member_id(NAMESPACE, member.group, member.name)
    return Beat(its_id, incarnation, sequence, interval_ms=1000)


def canary(sequence: int) -> Beat:
    return Beat(2**64 - 7, 99, sequence, interval_ms=1000)


async def everybody(url: str) -> dict[int, int]:
    """Sequence by slot, as swept by a coordinator that has just begun."""
    reader = reader_of(url, coordinator="newcomer")
    try:
        await reader.roster()
        return await sequences(reader)
    finally:
        await reader.aclose()


async def sequences(reader: ShardReader) -> dict[int, int]:
    """Sequence by slot, as swept: all of them or, where an earlier sweep was, the new ones."""
    beats = (await reader.sweep()).beats
    return dict(zip(beats.slot.tolist(), beats.sequence.tolist(), strict=True))


def as_role(database: Database, role: str) -> str:
    return database.server.dsn_of(database.name, role, "pw")


async def announced(connection: asyncpg.Connection, member: Member) -> int:
    slot: int = await connection.fetchval(
        f"SELECT musterd.announce({owner_of(member)}, '{NAMESPACE}', '{member.group}',"
        f" '{member.name}', '', '', '{{}}', {namespace_key(NAMESPACE)}, 1000)"
    )
    return slot


def owner_of(member: Member) -> str:
    return f"'{signed(member_id(NAMESPACE, member.group, member.name))}'::bigint"
