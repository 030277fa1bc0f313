"""The module has a relay write many members to PostgreSQL in one statement.

Rows are locked in the order of those that come in, which only a nested loop keeps.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.sqlfiles import folder, statement
from musterd.stores.link import again, milliseconds
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.rowwriter import namespace_key, signed
from musterd_coordinator.relay.database import RelayDatabase, Rows, SeatRow, metadata_in
from musterd_coordinator.relay.waiting import Newcomer
from musterd_coordinator.sweep.rows.relays import marks_key

_KEEP_ORDER = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off
"""
_statement = partial(statement, folder(__package__, "sql") / "postgres")
_WRITE = _statement("write")
_WRITE_AND_TELL = f"{_WRITE} RETURNING b.member_id"
_SIT = """
SELECT b.member_id FROM musterd.beat b JOIN unnest($1::integer[], $2::bigint[]) n (slot, member_id)
    ON b.slot = n.slot AND b.member_id = n.member_id
"""
_MARK = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record)
VALUES ($1, now(), $2, $3, $4)
ON CONFLICT (slot) DO UPDATE SET seen_at = excluded.seen_at, record = excluded.record
"""
_CHALLENGE = "SELECT value FROM musterd.challenge WHERE namespace = $1"
_FIND = _statement("find")
_ONE_ANNOUNCES = "SELECT FROM musterd.turn WHERE what = 'announce' FOR UPDATE"
_ANNOUNCE = _statement("announce")


def open_url(url: str, timeout: float) -> tuple[str, "PostgresRelay", "PostgresRelay"]:
    """Return the database; see :func:`musterd_coordinator.relay.database.open_database`."""
    target = parse_url(url)
    one, other = (PostgresRelay(PgSession(target, timeout)) for _ in range(2))
    return target.url, one, other


class PostgresRelay(RelayDatabase):
    """A `PostgresRelay` is a :class:`RelayDatabase`."""

    link: PgSession

    def __init__(self, link: PgSession) -> None:
        self.link = link

    async def challenge(self, namespace: str) -> bytes:
        """Return the value that agents of ``namespace`` sign; it is empty where there is none."""
        async with self.link.transaction() as connection:
            value: bytes | None = await connection.fetchval(_CHALLENGE, namespace)
        return value or b""

    async def mark(self, namespace: str, slot: int, identity: int, record: bytes) -> None:
        """Overwrite the row in ``slot`` by which coordinators know that a relay is at work."""
        row = signed(identity), slot, marks_key(namespace), record
        async with self.link.transaction() as connection:
            await connection.execute(_MARK, *row)

    async def write(self, rows: Rows, freshest: float = 20.0) -> NDArray[np.bool_]:
        """Overwrite the beats in ``rows``; see :meth:`RelayDatabase.write`."""
        pairs = rows.slot.tolist(), rows.ids.tolist()
        columns = *pairs, rows.record.tobytes(), self.link.timeout, freshest
        async with self.link.transaction() as connection:
            await connection.execute(_KEEP_ORDER)
            if await connection.execute(_WRITE, *columns) == f"UPDATE {len(rows.ids)}":
                return np.ones(len(rows.ids), np.bool_)
            written = await connection.fetch(_WRITE_AND_TELL, *columns)
        return _are_among(rows, written)

    async def sit(self, rows: Rows) -> NDArray[np.bool_]:
        """Say which of the members of ``rows`` sit in those slots (n)."""
        async with self.link.transaction() as connection:
            found = await connection.fetch(_SIT, rows.slot.tolist(), rows.ids.tolist())
        return _are_among(rows, found)

    async def _find(self, ids: Sequence[int]) -> Iterable[SeatRow]:
        async with self.link.transaction() as connection:
            found = await connection.fetch(_FIND, ids)
        return [_seat_row(row) for row in found]

    async def announce(self, newcomers: Sequence[Newcomer]) -> dict[int, int]:
        """Give each a seat, in this order; return the slots by member_id."""
        columns = [list(column) for column in zip(*map(_facts, newcomers), strict=True)]
        found = await again(lambda: self._announce_all(columns))
        return {_unsigned(its_id): slot for its_id, slot in found}

    async def _announce_all(self, columns: list[list[object]]) -> list[tuple[int, int]]:
        async with self.link.transaction() as connection:
            await connection.execute(_ONE_ANNOUNCES)
            rows = await connection.fetch(_ANNOUNCE, *columns, milliseconds(self.link.timeout))
        return [tuple(row) for row in rows]


def _are_among(rows: Rows, found: Iterable[Any]) -> NDArray[np.bool_]:
    return np.isin(rows.ids, np.array([its_id for (its_id,) in found], np.int64))


def _seat_row(row: Iterable[Any]) -> SeatRow:
    its_id, slot, has_beat, zone, owner, metadata, mac = row
    said = metadata_in(metadata)
    facts = None if said is None else (zone, owner, said)
    return SeatRow(_unsigned(its_id), slot, has_beat, facts, mac or b"")


def _facts(newcomer: Newcomer) -> tuple[object, ...]:
    namespace, member, *_ = newcomer
    return (
        signed(newcomer.identity),
        *(namespace, member.group, member.name, member.zone, member.owner),
        msgspec.json.encode(member.metadata).decode(),
        namespace_key(namespace),
        newcomer.mac or None,
    )


def _unsigned(number: int) -> int:
    return number % (1 << 64)
