"""The module is an agent's way to MariaDB: one procedure updates one row per beat.

It imports no NumPy.
"""

from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

import msgspec

from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores.crowd import BeatRow, Newcomer, Seated
from musterd.stores.mysql.session import MySqlSession, Session
from musterd.stores.rowwriter import RowWriter, namespace_key, signed

_BEAT = "CALL musterd_beat(?, ?, ?)"
_LOOK = "CALL musterd_beat_look(?, ?, ?, ?, ?, ?)"
_ANNOUNCE = "CALL musterd_announce(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RETIRE_OWN = "CALL musterd_retire(?)"
_FIND = "SELECT slot FROM musterd_member WHERE member_id = ? FOR UPDATE"
_VACATE = """
UPDATE musterd_member SET member_id = NULL, mac = NULL, login = NULL, version = UUID_SHORT()
WHERE slot = ?
"""
_ERASE = "DELETE FROM musterd_beat WHERE slot = ?"

_PLAIN = 3  # arguments of a beat that asks for nothing
_NAMESPACE = 3


class MySqlWriter(RowWriter):
    """A ``MySqlWriter`` is one agent process's way to the database.

    See :class:`musterd.stores.base.ShardWriter`.
    """

    _link: MySqlSession

    def __init__(self, link: MySqlSession, namespace: str, keyring: Keyring | None = None) -> None:
        super().__init__(link, namespace, keyring, self._store_some, self._seat_some)

    def _facts(self, member: Member) -> bytes:
        return sha256(b"\0".join(_facts(member))).digest()

    def _newcomer(self, its_id: int, member: Member) -> Newcomer:
        names = (text.encode() for text in (self._namespace, member.group, member.name))
        key = namespace_key(self._namespace)
        return signed(its_id), *names, *_facts(member), key

    async def _announce_one(self, row: Newcomer) -> Seated:
        async with self._link.session() as session:
            return await _announce(session, row)

    async def _write(self, row: BeatRow) -> Any:
        async with self._link.session() as session:
            return await _beat(session, row)

    async def _retire(self, its_id: int) -> None:
        async with self._link.session() as session:
            await session.once(_RETIRE_OWN, (its_id,))

    async def _store_some(self, rows: Sequence[BeatRow]) -> Sequence[Any]:
        # Of slots: two processes cannot wait for each other in a ring.
        async with self._link.session() as session:
            done = {row[1]: await _beat(session, row) for row in sorted(rows, key=itemgetter(0))}
        return [done[row[1]] for row in rows]

    async def _seat_some(self, rows: Sequence[Newcomer]) -> Sequence[Seated]:
        async with self._link.session() as session:
            return [await _announce(session, row) for row in rows]


async def retire(link: MySqlSession, its_id: int) -> None:
    """Vacate the slot of a member, whichever agent announced it, and remove its beat.

    Idempotent. Raises StoreError.
    """
    async with link.transaction() as session:
        for (slot,) in (await session.once(_FIND, (signed(its_id),))).rows:
            await session.once(_ERASE, (slot,))
            await session.once(_VACATE, (slot,))


async def _announce(session: Session, row: Newcomer) -> Seated:
    values = row if len(row) > _MOST_UNSIGNED else (*row, None)
    [(slot, challenge)] = (await session.execute(_ANNOUNCE, values)).rows
    return slot, bytes(challenge)


_MOST_UNSIGNED = 8  # arguments of an announcement without a mac


async def _beat(session: Session, row: BeatRow) -> Any:
    """Return a value that is false, or None for a signed beat, where no row was found.

    Raises NotWritable where that is because the server takes no changes: its procedure does not say so.
    """
    answer = await _call(session, row)
    if answer is None or answer is False:
        await session.check_writable()
    return answer


async def _call(session: Session, row: BeatRow) -> Any:
    if len(row) > _PLAIN and row[_NAMESPACE]:
        slot, its_id, record, namespace, mac, facts = row
        values = slot, its_id, record, namespace.encode(), mac, facts
        [(challenge,)] = (await session.execute(_LOOK, values)).rows
        return None if challenge is None else bytes(challenge)
    found = (await session.execute(_BEAT, row[:_PLAIN])).affected_rows > 0
    return found if len(row) == _PLAIN else (b"" if found else None)


def _facts(member: Member) -> tuple[bytes, bytes, bytes]:
    metadata = msgspec.json.encode(dict(member.metadata), order="deterministic")
    return member.zone.encode(), member.owner.encode(), metadata
