"""The module is an agent's way to PostgreSQL: one function updates one row per beat.

It imports no NumPy.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from musterd.beat import Beat, member_id, pack
from musterd.keys import Keyring, Seal
from musterd.model import Member
from musterd.stores.postgres.crowd import (
    SIGNED,
    UNSIGNED,
    BeatRow,
    Newcomer,
    Seated,
    SharedStatements,
    announce,
)
from musterd.stores.postgres.session import PgSession, Session, again, milliseconds
from musterd.stores.signing import LOOK_EVERY, Challenge, Patience

# The same as one simple query, which is one transaction to a pooler and needs nothing prepared.
_POOLED_BEAT = """
SET LOCAL statement_timeout = {limit};
SELECT FROM musterd.beat({slot}, '{member_id}'::bigint, decode('{record}', 'hex')) AS stored WHERE stored
"""
_POOLED_SIGNED_BEAT = """
SET LOCAL statement_timeout = {limit};
SELECT FROM musterd.beat_signed({slot}, '{member_id}'::bigint, decode('{record}', 'hex'), '',
    NULL, NULL) AS c
WHERE c IS NOT NULL
"""
_RETIRE_OWN = "SELECT musterd.retire($1)"
# A session that holds the row must not hold up the sweeps that share this connection.
_SOON = "SET LOCAL lock_timeout = 250"
_RETIRE = """
WITH vacated AS (
    UPDATE musterd.member SET member_id = NULL, role = NULL, changed = pg_current_xact_id()
    WHERE member_id = $1 RETURNING slot
) DELETE FROM musterd.beat USING vacated WHERE beat.slot = vacated.slot
"""


_NAMESPACE, _MAC = 3, 4  # of the arguments of a signed beat


@dataclass(slots=True)
class _Seat:
    slot: int
    seal: Seal | None
    told: tuple[Any, ...]  # what its row has to say of it, where there is a seal
    patience: Patience
    beats: int = 0


class PostgresWriter:
    """A ``PostgresWriter`` is one agent process's way to the database.

    See :class:`musterd.stores.base.ShardWriter`.
    """

    def __init__(self, link: PgSession, namespace: str, keyring: Keyring | None = None) -> None:
        self.name = link.name
        self._link = link
        self._namespace = namespace
        self._keyring = keyring
        self._statements = UNSIGNED if keyring is None else SIGNED
        self._challenge = Challenge()
        self._seats: dict[int, _Seat] = {}
        self._members: set[int] = set()  # where they are many, they share what they say
        update = _update if keyring is None else _update_signed
        self._crowd = SharedStatements(link, self._statements, update)
        self._update = update

    async def announce(self, member: Member) -> None:
        """Take (or find again) a slot for ``member``."""
        await again(lambda: self._announce(member))

    async def _announce(self, member: Member) -> None:
        its_id = member_id(self._namespace, member.group, member.name)
        facts = member.zone, member.owner, _json(member.metadata)
        key, patience = namespace_key(self._namespace), milliseconds(self._link.timeout)
        row = signed(its_id), self._namespace, member.group, member.name, *facts, key, patience
        self._members.add(its_id)
        if self._keyring is None:
            slot, seal = (await self._seat(row))[0], None
        else:
            seal = self._keyring.seal(member)
            slot, challenge = await self._seat((*row, seal.mac if seal else None))
            self._challenge.saw(challenge)
        before = self._seats.get(its_id)
        told = (seal.mac, _json((member.zone, member.owner, member.metadata))) if seal else ()
        self._seats[its_id] = _Seat(slot, seal, told, before.patience if before else Patience())

    async def _seat(self, row: Newcomer) -> Seated:
        if len(self._members) > 1:
            return await self._crowd.announce(row)
        async with self._link.session() as session:
            return await announce(session, self._statements, row)

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the member's beat; return False when the row is gone, or somebody changed it."""
        seat = self._seats.get(beat.member_id)
        if seat is None:
            return False
        if self._keyring is None:
            row: BeatRow = seat.slot, signed(beat.member_id), pack(beat)
            return bool(await self._store(row))
        row = self._signed_row(seat, beat)
        challenge = await self._store(row)
        self._challenge.saw(challenge)
        seat.beats += 1
        if challenge is None and row[_MAC] is not None:
            seat.patience.wrote()
        return challenge is not None

    async def write(self, slot: int, beat: Beat) -> bool:
        """Overwrite the beat in ``slot``, with the mac it has, if it is this member's; else False."""
        row = slot, signed(beat.member_id), pack(beat)
        return bool(await again(lambda: self._write(row)))

    def _signed_row(self, seat: _Seat, beat: Beat) -> BeatRow:
        """Return what is said with a beat.

        Now and then that asks for the challenge, and for what the agent announced.
        """
        digest = self._challenge.digest
        record = seat.seal.record(beat, digest) if seat.seal else pack(beat)
        row = seat.slot, signed(beat.member_id), record
        if seat.beats % LOOK_EVERY != LOOK_EVERY - 1:
            return *row, "", None, None
        told = seat.told if seat.told and seat.patience.is_over() else (None, None)
        return *row, self._namespace, *told

    async def _store(self, row: BeatRow) -> Any:
        if len(self._members) > 1:
            return await self._crowd.beat(row)
        return await again(lambda: self._write(row))

    async def _write(self, row: BeatRow) -> Any:
        async with self._link.session() as session:
            if not session.direct:
                return await self._update(session, row, self._link.timeout)
            if session.prepared is None:  # named: else every beat would be parsed and planned anew
                beat, _, name = self._statements
                session.prepared = await session.connection.prepare(beat, name=name)
            return await session.prepared.fetchval(*row)

    async def retire(self, member: Member) -> None:
        """Give up the member's slot and its beat."""
        its_id = member_id(self._namespace, member.group, member.name)
        async with self._link.transaction() as connection:
            await connection.execute(_RETIRE_OWN, signed(its_id))
        self._seats.pop(its_id, None)
        self._members.discard(its_id)

    async def renew(self) -> str:
        """Connect anew if the host's name has moved, and now and then; return the new address if so."""
        return await self._link.freshen()

    async def aclose(self) -> None:
        """Close the connection without waiting for the network."""
        self._crowd.close()
        self._link.close()


def _json(facts: object) -> str:
    return msgspec.json.encode(facts).decode()


async def _update(session: Session, row: BeatRow, limit: float) -> bool:
    return await _said(session, _POOLED_BEAT, row, limit)


async def _update_signed(session: Session, row: BeatRow, limit: float) -> bytes | None:
    """Store a signed beat through a pooler; return the challenge, which is empty if it did not look.

    Nothing comes back from a simple query of asyncpg but how many rows it found.
    """
    if not row[_NAMESPACE]:
        return b"" if await _said(session, _POOLED_SIGNED_BEAT, row, limit) else None
    async with session.connection.transaction(isolation="read_committed"):
        await session.connection.execute(f"SET LOCAL statement_timeout = {milliseconds(limit)}")
        challenge: bytes | None = await session.connection.fetchval(SIGNED.beat, *row)
    return challenge


async def _said(session: Session, statement: str, row: BeatRow, limit: float) -> bool:
    slot, its_id, record, *_ = row
    text = statement.format(
        limit=milliseconds(limit), record=record.hex(), slot=slot, member_id=its_id
    )
    return bool(await session.connection.execute(text) == "SELECT 1")


async def retire(link: PgSession, namespace: str, member: Member) -> None:
    """Vacate the slot of ``member``, whichever agent announced it, and remove its beat.

    Idempotent. Raises StoreError.
    """
    its_id = signed(member_id(namespace, member.group, member.name))
    async with link.transaction() as connection:
        await connection.execute(_SOON)
        await connection.execute(_RETIRE, its_id)


def signed(number: int) -> int:
    """Return the bigint with the same 64 bits as the unsigned ``number``."""
    return number - (1 << 64) if number >= 1 << 63 else number


def namespace_key(namespace: str) -> int:
    """Return a fixed-width stand-in for ``namespace``, to keep other namespaces out of a sweep.

    Two namespaces may share one; that costs time and nothing else.
    """
    return int.from_bytes(blake2b(namespace.encode(), digest_size=4).digest(), signed=True)
