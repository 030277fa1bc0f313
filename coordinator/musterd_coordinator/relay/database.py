"""A relay writes many members to PostgreSQL in one statement. Every call raises StoreError.

Two relays that hold beats of the same members, as while agents change over, must not wait for each
other in a ring. So rows are locked in the order of their slots: that is the order of the rows that
come in, which only a nested loop keeps; and one relay announces at a time.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.model import Member
from musterd.sqlfiles import folder, statement
from musterd.stores.link import again, milliseconds
from musterd.stores.postgres.session import PgSession
from musterd.stores.rowwriter import namespace_key, signed
from musterd_coordinator.relay.waiting import Newcomer
from musterd_coordinator.sweep.postgres.relays import WRITE_MARK, marks_key

_KEEP_ORDER = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off
"""
_statement = partial(statement, folder(__package__, "sql"))
_WRITE = _statement("write")
_WRITE_AND_TELL = f"{_WRITE} RETURNING b.member_id"
_SIT = """
SELECT b.member_id FROM musterd.beat b JOIN unnest($1::integer[], $2::bigint[]) n (slot, member_id)
    ON b.slot = n.slot AND b.member_id = n.member_id
"""
_CHALLENGE = "SELECT value FROM musterd.challenge WHERE namespace = $1"
_FIND = _statement("find")
_ONE_ANNOUNCES = "SELECT FROM musterd.turn WHERE what = 'announce' FOR UPDATE"
_ANNOUNCE = _statement("announce")


Slots = NDArray[np.int32]


class Rows(NamedTuple):
    """These are columns of n beats of as many members, in the order of their slots."""

    slot: Slots
    member_id: NDArray[np.uint64]
    record: NDArray[np.void]  # musterd_coordinator.sweep.columns.RECORD


async def challenge(link: PgSession, namespace: str) -> bytes:
    """Return the value that agents of ``namespace`` sign; it is empty where there is none."""
    async with link.transaction() as connection:
        value: bytes | None = await connection.fetchval(_CHALLENGE, namespace)
    return value or b""


async def mark(link: PgSession, namespace: str, slot: int, identity: int, record: bytes) -> None:
    """Overwrite the row in ``slot`` by which coordinators know that a relay is at work."""
    row = signed(identity), slot, marks_key(namespace), record
    async with link.transaction() as connection:
        await connection.execute(WRITE_MARK, *row)


async def write(link: PgSession, rows: Rows, freshest: float = 20.0) -> NDArray[np.bool_]:
    """Overwrite the beats in ``rows``; say which of them were (n). These are committed now.

    The others sit in that slot no more, or a beat is there that they cannot follow; no beat keeps
    others out for more than ``freshest`` seconds.
    """
    ids = rows.member_id.view(np.int64)
    columns = rows.slot.tolist(), ids.tolist(), rows.record.tobytes(), link.timeout, freshest
    async with link.transaction() as connection:
        await connection.execute(_KEEP_ORDER)
        if await connection.execute(_WRITE, *columns) == f"UPDATE {len(ids)}":
            return np.ones(len(ids), np.bool_)
        written = await connection.fetch(_WRITE_AND_TELL, *columns)
    return np.isin(ids, np.array([its_id for (its_id,) in written], np.int64))


async def sit(link: PgSession, rows: Rows) -> NDArray[np.bool_]:
    """Say which of the members of ``rows`` sit in those slots (n)."""
    ids = rows.member_id.view(np.int64)
    async with link.transaction() as connection:
        found = await connection.fetch(_SIT, rows.slot.tolist(), ids.tolist())
    return np.isin(ids, np.array([its_id for (its_id,) in found], np.int64))


async def find_seats(link: PgSession, newcomers: Sequence[Newcomer]) -> dict[int, int | None]:
    """Return the members, by member_id, that have a seat already.

    The slot is None where the member has to be announced all the same, because it tells other
    facts or its row of beats was lost. They are in the order of their slots.
    """
    wanted = {newcomer.identity: newcomer for newcomer in newcomers}
    async with link.transaction() as connection:
        found = await connection.fetch(_FIND, [signed(identity) for identity in wanted])
    seats: dict[int, int | None] = {}
    for its_id, slot, has_beat, *facts in found:
        identity = _unsigned(its_id)
        settled = has_beat and _tells(wanted[identity], *facts)
        seats[identity] = slot if settled else None
    return seats


async def rows_of(
    link: PgSession, newcomers: Sequence[Newcomer]
) -> dict[int, tuple[Member, bytes]]:
    """Return what the rows of members say of them, and their macs, by member_id.

    Of a row that is gone, or has no facts at all, there is nothing.
    """
    names = {each.identity: each.member for each in newcomers}
    if not names:
        return {}
    async with link.transaction() as connection:
        found = await connection.fetch(_FIND, [signed(identity) for identity in names])
    rows = {}
    for its_id, _, _, zone, owner, metadata, mac in found:
        identity = _unsigned(its_id)
        with suppress(msgspec.ValidationError):  # that metadata no agent announced
            facts = zone, owner, msgspec.json.decode(metadata, type=dict[str, str])
            member = names[identity]
            rows[identity] = Member(member.group, member.name, *facts), mac or b""
    return rows


async def announce(link: PgSession, newcomers: Sequence[Newcomer]) -> dict[int, int]:
    """Give each a seat, in this order; return the slots by member_id."""
    columns = [list(column) for column in zip(*map(_facts, newcomers), strict=True)]
    found = await again(lambda: _announce_all(link, columns))
    return {_unsigned(its_id): slot for its_id, slot in found}


async def _announce_all(link: PgSession, columns: list[list[object]]) -> list[tuple[int, int]]:
    async with link.transaction() as connection:
        await connection.execute(_ONE_ANNOUNCES)
        rows = await connection.fetch(_ANNOUNCE, *columns, milliseconds(link.timeout))
    return [tuple(row) for row in rows]


def _facts(newcomer: Newcomer) -> tuple[object, ...]:
    namespace, member, *_ = newcomer
    return (
        signed(newcomer.identity),
        *(namespace, member.group, member.name, member.zone, member.owner),
        msgspec.json.encode(member.metadata).decode(),
        namespace_key(namespace),
        newcomer.mac or None,
    )


def _tells(newcomer: Newcomer, zone: str, owner: str, metadata: str, mac: bytes | None) -> bool:
    member = newcomer.member
    if msgspec.json.decode(metadata) != member.metadata or newcomer.mac not in (b"", mac):
        return False
    return (zone, owner) == (member.zone, member.owner)


def _unsigned(number: int) -> int:
    return number % (1 << 64)
