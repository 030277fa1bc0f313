"""The module is an agent's way to PostgreSQL: one function updates one row per beat.

It imports no NumPy.
"""

from typing import Any

from musterd.beat import member_id
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores.crowd import BeatRow, Newcomer, Seated
from musterd.stores.link import milliseconds
from musterd.stores.postgres.crowd import SIGNED, UNSIGNED, ManyStatements, announce
from musterd.stores.postgres.session import PgSession, Session
from musterd.stores.rowwriter import RowWriter, compact, namespace_key, signed

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


class PostgresWriter(RowWriter):
    """A ``PostgresWriter`` is one agent process's way to the database.

    See :class:`musterd.stores.base.ShardWriter`.
    """

    _link: PgSession

    def __init__(self, link: PgSession, namespace: str, keyring: Keyring | None = None) -> None:
        self._statements = UNSIGNED if keyring is None else SIGNED
        self._update = _update if keyring is None else _update_signed
        many = ManyStatements(link, self._statements, self._update)
        super().__init__(link, namespace, keyring, many.store, many.seat)

    def _facts(self, member: Member) -> str:
        return compact((member.zone, member.owner, member.metadata))

    def _newcomer(self, its_id: int, member: Member) -> Newcomer:
        facts = member.zone, member.owner, compact(member.metadata)
        key, patience = namespace_key(self._namespace), milliseconds(self._link.timeout)
        return signed(its_id), self._namespace, member.group, member.name, *facts, key, patience

    async def _announce_one(self, row: Newcomer) -> Seated:
        async with self._link.session() as session:
            return await announce(session, self._statements, row)

    async def _write(self, row: BeatRow) -> Any:
        async with self._link.session() as session:
            if not session.direct:
                return await self._update(session, row, self._link.timeout)
            if session.prepared is None:  # named: else every beat would be parsed and planned anew
                beat, _, name = self._statements
                session.prepared = await session.connection.prepare(beat, name=name)
            return await session.prepared.fetchval(*row)

    async def _retire(self, its_id: int) -> None:
        async with self._link.transaction() as connection:
            await connection.execute(_RETIRE_OWN, its_id)


_NAMESPACE = 3  # of the arguments of a signed beat


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
