"""The module is an agent's way to PostgreSQL: one function updates one row per beat.

It imports no NumPy.
"""

from hashlib import blake2b

import msgspec

from musterd.beat import Beat, member_id, pack
from musterd.model import Member
from musterd.stores.postgres.crowd import BEAT, SharedStatements, announce
from musterd.stores.postgres.session import PgSession, Session, again, milliseconds

_PREPARED = "musterd_beat"  # named: else every beat would be parsed and planned anew
# The same as one simple query, which is one transaction to a pooler and needs nothing prepared.
_POOLED_BEAT = """
SET LOCAL statement_timeout = {limit};
SELECT FROM musterd.beat({slot}, '{member_id}'::bigint, decode('{record}', 'hex')) AS stored WHERE stored
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


class PostgresWriter:
    """A ``PostgresWriter`` is one agent process's way to the database.

    See :class:`musterd.stores.base.ShardWriter`.
    """

    def __init__(self, link: PgSession, namespace: str) -> None:
        self.name = link.name
        self._link = link
        self._namespace = namespace
        self._slots: dict[int, int] = {}
        self._members: set[int] = set()  # where they are many, they share what they say
        self._crowd = SharedStatements(link, _update)

    async def announce(self, member: Member) -> None:
        """Take (or find again) a slot for ``member``."""
        await again(lambda: self._announce(member))

    async def _announce(self, member: Member) -> None:
        its_id = member_id(self._namespace, member.group, member.name)
        facts = member.zone, member.owner, msgspec.json.encode(member.metadata).decode()
        key, patience = namespace_key(self._namespace), milliseconds(self._link.timeout)
        row = signed(its_id), self._namespace, member.group, member.name, *facts, key, patience
        self._members.add(its_id)
        if len(self._members) > 1:
            self._slots[its_id] = await self._crowd.announce(row)
            return
        async with self._link.session() as session:
            self._slots[its_id] = await announce(session, row)

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the member's beat; return False when the row is gone."""
        slot = self._slots.get(beat.member_id)
        if slot is None:
            return False
        if len(self._members) > 1:
            return await self._crowd.beat((slot, signed(beat.member_id), pack(beat)))
        return await self.write(slot, beat)

    async def write(self, slot: int, beat: Beat) -> bool:
        """Overwrite the beat in ``slot`` if it is this member's; return False when it is not."""
        return await again(lambda: self._write(slot, signed(beat.member_id), pack(beat)))

    async def _write(self, slot: int, its_id: int, record: bytes) -> bool:
        async with self._link.session() as session:
            return await _update(session, slot, its_id, record, self._link.timeout)

    async def retire(self, member: Member) -> None:
        """Give up the member's slot and its beat."""
        its_id = member_id(self._namespace, member.group, member.name)
        async with self._link.transaction() as connection:
            await connection.execute(_RETIRE_OWN, signed(its_id))
        self._slots.pop(its_id, None)
        self._members.discard(its_id)

    async def renew(self) -> str:
        """Connect anew if the host's name has moved, and now and then; return the new address if so."""
        return await self._link.freshen()

    async def aclose(self) -> None:
        """Close the connection without waiting for the network."""
        self._crowd.close()
        self._link.close()


async def _update(session: Session, slot: int, its_id: int, record: bytes, limit: float) -> bool:
    if not session.direct:
        status = await session.connection.execute(
            _POOLED_BEAT.format(
                limit=milliseconds(limit), record=record.hex(), slot=slot, member_id=its_id
            )
        )
        return status == "SELECT 1"
    if session.prepared is None:
        session.prepared = await session.connection.prepare(BEAT, name=_PREPARED)
    stored: bool = await session.prepared.fetchval(slot, its_id, record)
    return stored


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
