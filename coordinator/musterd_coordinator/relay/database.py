"""What a relay says to PostgreSQL: one statement for many members. Every call raises StoreError.

Two relays that hold beats of the same members, as while agents change over, must not wait for each
other in a ring. So rows are locked in the order of their slots: that is the order of the rows that
come in, which only a nested loop keeps; and one relay announces at a time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE, Beat, pack
from musterd.model import Member
from musterd.stores.postgres_limits import METADATA_BYTES
from musterd.stores.postgres_link import Link, again, milliseconds
from musterd.stores.postgres_relays import WRITE_MARK, mark_slot, marks_key
from musterd.stores.postgres_writer import namespace_key, signed
from musterd_coordinator.relay.waiting import NEXT, Newcomer

_KEEP_ORDER = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off
"""
LEAST_FRESH = 1.5
"""Intervals of a beat, as it promises them, for which it is fresh; so the next one finds it so."""

# A fresh beat gives way only to the next ones of its run. So neither one that was under way for long
# undoes a newer one, nor does a number that somebody made up take the place of a member that beats.
# Once it is fresh no more, any may follow: a forged number keeps nobody out for longer. Who writes
# the same number again, with whatever else, keeps it no fresher. A beat is fresh at least for as
# long as an agent waits ($4, seconds), and no longer than $5, whatever it promises; the clock of the
# database may be set back. Numbers are compared by their lowest two bytes, and the others must be
# the same, unless those two begin anew. Records come as one text, which costs both sides less than
# an array of them; OFFSET 0 has each cut out only once.
_WRITE = f"""
UPDATE musterd.beat b SET record = n.record, seen_at =
    CASE WHEN substring(b.record, 17, 10) = substring(n.record, 17, 10) THEN b.seen_at ELSE now() END
FROM (
    SELECT slot, member_id, substr($3::bytea, 1 + {SIZE} * (place::integer - 1), {SIZE}) AS record
    FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY rows (slot, member_id, place) OFFSET 0
) n
WHERE b.slot = n.slot AND b.member_id = n.member_id AND (
    (get_byte(n.record, 24) - get_byte(b.record, 24)
        + (get_byte(n.record, 25) - get_byte(b.record, 25)) * 256) & 65535 <= {NEXT}
    AND (substring(b.record, 27, 6) = substring(n.record, 27, 6)
        OR get_byte(n.record, 25) = 0 AND get_byte(n.record, 24) < {NEXT})
    OR substring(b.record, 17, 8) <> substring(n.record, 17, 8)
    OR abs(extract(epoch FROM now() - b.seen_at)) > greatest($4, least($5,
        {LEAST_FRESH} * (get_byte(b.record, 4) + get_byte(b.record, 5) * 256
            + get_byte(b.record, 6) * 65536 + get_byte(b.record, 7) * 16777216::float8) / 1000)))
"""
_WRITE_AND_TELL = f"{_WRITE} RETURNING b.member_id"
_SIT = """
SELECT b.member_id FROM musterd.beat b JOIN unnest($1::integer[], $2::bigint[]) n (slot, member_id)
    ON b.slot = n.slot AND b.member_id = n.member_id
"""
_FIND = f"""
SELECT m.member_id, m.slot, b.slot IS NOT NULL AS has_beat, m.zone, m.owner,
    CASE WHEN pg_column_size(m.metadata) <= {METADATA_BYTES} THEN m.metadata::text ELSE 'null' END
FROM musterd.member m LEFT JOIN musterd.beat b ON b.slot = m.slot AND b.member_id = m.member_id
WHERE m.member_id = ANY($1::bigint[]) ORDER BY m.slot
"""
_ONE_ANNOUNCES = "SELECT FROM musterd.turn WHERE what = 'announce' FOR UPDATE"
_ANNOUNCE = """
SELECT n.member_id, musterd.seat(
    n.member_id, n.namespace, n."group", n.name, n.zone, n.owner, n.metadata::jsonb, n.key, $9, false)
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::integer[]
) n (member_id, namespace, "group", name, zone, owner, metadata, key)
"""


Slots = NDArray[np.int32]


class Rows(NamedTuple):
    """Columns of n beats of as many members, in the order of their slots."""

    slot: Slots
    member_id: NDArray[np.uint64]
    record: NDArray[np.void]  # musterd.columns.RECORD


async def mark(link: Link, namespace: str, relay: str, beat: Beat) -> None:
    """Overwrite the row by which coordinators know that the relay of this name is at work."""
    row = signed(beat.member_id), mark_slot(namespace, relay), marks_key(namespace), pack(beat)
    async with link.transaction() as connection:
        await connection.execute(WRITE_MARK, *row)


async def write(link: Link, rows: Rows, freshest: float = 20.0) -> NDArray[np.bool_]:
    """Overwrite the beats in ``rows``; which of them were (n). These are committed now.

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


async def sit(link: Link, rows: Rows) -> NDArray[np.bool_]:
    """Which of the members of ``rows`` sit in those slots (n)."""
    ids = rows.member_id.view(np.int64)
    async with link.transaction() as connection:
        found = await connection.fetch(_SIT, rows.slot.tolist(), ids.tolist())
    return np.isin(ids, np.array([its_id for (its_id,) in found], np.int64))


async def find_seats(link: Link, newcomers: Sequence[Newcomer]) -> dict[int, int | None]:
    """The members, by member_id, that have a seat already.

    The slot is None where the member has to be announced all the same, because it tells other
    facts or its row of beats was lost. They are in the order of their slots.
    """
    wanted = {newcomer.identity: newcomer.member for newcomer in newcomers}
    async with link.transaction() as connection:
        found = await connection.fetch(_FIND, [signed(identity) for identity in wanted])
    seats: dict[int, int | None] = {}
    for its_id, slot, has_beat, *facts in found:
        identity = _unsigned(its_id)
        settled = has_beat and _tells(wanted[identity], *facts)
        seats[identity] = slot if settled else None
    return seats


async def announce(link: Link, newcomers: Sequence[Newcomer]) -> dict[int, int]:
    """Give each a seat, in this order; slots by member_id."""
    columns = [list(column) for column in zip(*map(_facts, newcomers), strict=True)]
    found = await again(lambda: _announce_all(link, columns))
    return {_unsigned(its_id): slot for its_id, slot in found}


async def _announce_all(link: Link, columns: list[list[object]]) -> list[tuple[int, int]]:
    async with link.transaction() as connection:
        await connection.execute(_ONE_ANNOUNCES)
        rows = await connection.fetch(_ANNOUNCE, *columns, milliseconds(link.timeout))
    return [tuple(row) for row in rows]


def _facts(newcomer: Newcomer) -> tuple[object, ...]:
    namespace, member, _ = newcomer
    return (
        signed(newcomer.identity),
        *(namespace, member.group, member.name, member.zone, member.owner),
        msgspec.json.encode(member.metadata).decode(),
        namespace_key(namespace),
    )


def _tells(member: Member, zone: str, owner: str, metadata: str) -> bool:
    same = msgspec.json.decode(metadata) == member.metadata
    return same and (zone, owner) == (member.zone, member.owner)


def _unsigned(number: int) -> int:
    return number % (1 << 64)
