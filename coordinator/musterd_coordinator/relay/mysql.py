"""The module has a relay write many members to MariaDB, or MySQL, in one statement.

They come as rows of VALUES that the table is joined to. Of statements that write a row only if it may be
that costs a server least, but for INSERT … ON DUPLICATE KEY UPDATE in bulk, which costs a tenth to a
sixth less and makes rows for members that nobody announced. Everything but numbers is in hexadecimal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.errors import ShardRefused
from musterd.sqlfiles import folder, statement
from musterd.stores.link import again
from musterd.stores.mysql.session import LOGIN, MySqlSession, Session
from musterd.stores.mysql.store import check_driver
from musterd.stores.mysql.url import parse_url
from musterd.stores.rowwriter import namespace_key, signed
from musterd_coordinator.relay.database import RelayDatabase, Rows, SeatRow, metadata_in
from musterd_coordinator.relay.waiting import Newcomer
from musterd_coordinator.sweep.rows.limits import MOST_SLOTS
from musterd_coordinator.sweep.rows.relays import marks_key

MOST_BYTES = 1 << 20
"""Bytes of one statement, and a row more: servers take 4 MB or more at once."""

_statement = partial(statement, folder(__package__, "sql") / "mysql")
_WRITE = _statement("write")
_STAND = _statement("stand")
_FIND = _statement("find")
_LOCK = _statement("lock")
_VACANT = _statement("vacant")
_RESEAT = _statement("reseat").replace("{login}", LOGIN)
_JOIN = _statement("join")
_BEGIN = _statement("begin")
_SLOTS = _statement("slots")
_MARK = """
INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record) VALUES (?, ?, ?, 0, ?)
ON DUPLICATE KEY UPDATE seen_at = CURRENT_TIMESTAMP(3), record = VALUES(record)
"""
_CHALLENGE = "SELECT value FROM musterd_challenge WHERE namespace = ?"
# Written, and not only locked: nodes of a Galera cluster know nothing of each other's locks.
_ONE_ANNOUNCES = "UPDATE musterd_turn SET number = number + 1 WHERE what = 'announce'"

_Place = tuple[int, int]
"""A slot, and the bigint of the member in it."""


def open_url(url: str, timeout: float) -> tuple[str, "MySqlRelay", "MySqlRelay"]:
    """Return the database; see :func:`musterd_coordinator.relay.database.open_database`."""
    target = parse_url(url)
    check_driver()
    one, other = (MySqlRelay(MySqlSession(target, timeout)) for _ in range(2))
    return target.url, one, other


class MySqlRelay(RelayDatabase):
    """A `MySqlRelay` is a :class:`RelayDatabase`."""

    link: MySqlSession

    def __init__(self, link: MySqlSession) -> None:
        self.link = link

    async def challenge(self, namespace: str) -> bytes:
        """Return the value that agents of ``namespace`` sign; it is empty where there is none."""
        async with self.link.session() as session:
            rows = (await session.execute(_CHALLENGE, (namespace.encode(),))).rows
        return bytes(rows[0][0]) if rows else b""

    async def mark(self, namespace: str, slot: int, identity: int, record: bytes) -> None:
        """Overwrite the row in ``slot`` by which coordinators know that a relay is at work."""
        row = slot, signed(identity), marks_key(namespace), record
        async with self.link.session() as session:
            await session.execute(_MARK, row)

    async def write(self, rows: Rows, freshest: float = 20.0) -> NDArray[np.bool_]:
        """Overwrite the beats in ``rows``; see :meth:`RelayDatabase.write`."""
        least, most = (str(round(1e6 * seconds)) for seconds in (self.link.timeout, freshest))
        write = _WRITE.replace("{least}", least).replace("{most}", most)
        if await again(lambda: self._write_all(write, rows)) == len(rows.slot):
            return np.ones(len(rows.slot), np.bool_)
        stands = await self._standing(rows)
        records = zip(_places(rows), _records(rows), strict=True)
        return np.array([stands.get(place) == record for place, record in records])

    async def _write_all(self, write: str, rows: Rows) -> int:
        """Write all that may be; return how many that were."""
        beats = (
            f"({slot},{its_id},x'{record.hex()}')"
            for (slot, its_id), record in zip(_places(rows), _records(rows), strict=True)
        )
        async with self.link.session() as session:
            return await _change(session, write, beats)

    async def _standing(self, rows: Rows) -> dict[_Place, bytes]:
        """Return the records in the slots of ``rows``, by slot and member."""
        slots = (f"({slot})" for slot in rows.slot.tolist())
        async with self.link.session() as session:
            found = await _select(session, _STAND, slots)
        return {(slot, its_id): bytes(record) for slot, its_id, record in found}

    async def sit(self, rows: Rows) -> NDArray[np.bool_]:
        """Say which of the members of ``rows`` sit in those slots (n)."""
        stands = await self._standing(rows)
        return np.array([place in stands for place in _places(rows)])

    async def _find(self, ids: Sequence[int]) -> Iterable[SeatRow]:
        async with self.link.session() as session:
            found = await _select(session, _FIND, _each(ids))
        return sorted(map(_seat_row, found), key=lambda row: row.slot)

    async def announce(self, newcomers: Sequence[Newcomer]) -> dict[int, int]:
        """Give each a seat, in this order; return the slots by member_id."""
        return await again(lambda: self._announce_all(newcomers))

    async def _announce_all(self, newcomers: Sequence[Newcomer]) -> dict[int, int]:
        async with self.link.transaction() as session:
            await session.execute(_ONE_ANNOUNCES)
            ids = {each.identity: signed(each.identity) for each in newcomers}
            found = await _select(session, _LOCK, _each(ids.values()))
            known = {row.identity: row for row in map(_seat_row, found)}
            await _tell(session, newcomers, known)
            slots = await _slots(session, ids)
            if max(slots.values()) >= MOST_SLOTS:
                raise ShardRefused(self.link.name, "there are as many slots as there may be")
            await _begin(session, newcomers, slots)
        return slots


async def _tell(
    session: Session, newcomers: Sequence[Newcomer], known: Mapping[int, SeatRow]
) -> None:
    """Write what ``newcomers`` announce where that does not stand there, into slots for those without."""
    new = [each for each in newcomers if each.identity not in known]
    vacant = await _vacant(session, len(new))
    taken = zip(vacant, new, strict=False)
    told = (
        (known[each.identity].slot, each)
        for each in newcomers
        if each.identity in known and not known[each.identity].tells(each)
    )
    seats = (
        f"({slot},{_facts(each)})" for slot, each in sorted([*told, *taken], key=itemgetter(0))
    )
    await _change(session, _RESEAT, seats)
    fresh = (f"({_facts(each)},{LOGIN},UUID_SHORT())" for each in new[len(vacant) :])
    await _change(session, _JOIN, fresh)


async def _vacant(session: Session, most: int) -> list[int]:
    """Return slots for newcomers, locked; there may be fewer than ``most``."""
    if not most:
        return []
    return [slot for (slot,) in (await session.once(_VACANT.replace("{most}", str(most)))).rows]


async def _slots(session: Session, ids: Mapping[int, int]) -> dict[int, int]:
    """Return the slots of members by member_id, from ``ids`` as bigints."""
    found = dict(await _select(session, _SLOTS, _each(ids.values())))
    return {identity: found[its_id] for identity, its_id in ids.items()}


async def _begin(session: Session, newcomers: Sequence[Newcomer], slots: Mapping[int, int]) -> None:
    rows = (
        (slots[each.identity], signed(each.identity), namespace_key(each.namespace))
        for each in newcomers
    )
    await _change(session, _BEGIN, (f"({slot},{one},{key})" for slot, one, key in sorted(rows)))


async def _change(session: Session, statement: str, rows: Iterable[str]) -> int:
    """Make a change for all ``rows``; return how many it found."""
    return sum([await session.order(each) for each in _statements(session, statement, rows)])


async def _select(session: Session, statement: str, rows: Iterable[str]) -> Sequence[Any]:
    """Return what is found of ``rows``."""
    found = list[Any]()
    for each in _statements(session, statement, rows):
        found += (await session.once(each)).rows
    return found


def _statements(session: Session, statement: str, rows: Iterable[str]) -> Iterator[str]:
    """Yield ``statement`` with as many of the ``rows`` as go into one, and again with the others."""
    word = "" if session.is_mariadb else "ROW"
    part, size = list[str](), 0
    for row in rows:
        part.append(word + row)
        size += len(row)
        if size >= MOST_BYTES:
            yield statement.replace("{rows}", ",".join(part))
            part, size = [], 0
    if part:
        yield statement.replace("{rows}", ",".join(part))


def _each(ids: Iterable[int]) -> Iterator[str]:
    return (f"({its_id})" for its_id in ids)


def _places(rows: Rows) -> Iterator[_Place]:
    return zip(rows.slot.tolist(), rows.ids.tolist(), strict=True)


def _records(rows: Rows) -> Iterator[bytes]:
    data = rows.record.tobytes()
    return (data[at : at + SIZE] for at in range(0, len(data), SIZE))


def _seat_row(row: Sequence[Any]) -> SeatRow:
    its_id, slot, has_beat, zone, owner, metadata, mac = row
    said = metadata_in(bytes(metadata))
    facts = None
    with suppress(UnicodeDecodeError):
        facts = None if said is None else (bytes(zone).decode(), bytes(owner).decode(), said)
    return SeatRow(its_id % (1 << 64), slot, bool(has_beat), facts, bytes(mac or b""))


def _facts(newcomer: Newcomer) -> str:
    """Return what the row of a member has to say, as SQL."""
    namespace, member, *_ = newcomer
    metadata = msgspec.json.encode(dict(member.metadata), order="deterministic")
    texts = namespace, member.group, member.name, member.zone, member.owner
    written = (f"x'{each.hex()}'" for each in (*(text.encode() for text in texts), metadata))
    mac = f"x'{newcomer.mac.hex()}'" if newcomer.mac else "NULL"
    return ",".join((str(signed(newcomer.identity)), *written, mac))
