"""The module is the coordinator's side of MariaDB as a store: seats, all beats, and a canary."""

import anyio

from musterd.beat import Beat, member_id, pack
from musterd.model import Member
from musterd.stores.link import again
from musterd.stores.mysql.schema import ensure_schema
from musterd.stores.mysql.session import MySqlSession, Session
from musterd.stores.mysql.store import MySqlDriver
from musterd.stores.mysql.writer import MySqlWriter, retire
from musterd.stores.rowwriter import signed
from musterd_coordinator.sweep.base import BeatBatch, ShardReader
from musterd_coordinator.sweep.mysql.challenge import RowChallenge
from musterd_coordinator.sweep.mysql.engine import fit
from musterd_coordinator.sweep.mysql.roster import RosterReader
from musterd_coordinator.sweep.mysql.scan import read_beats
from musterd_coordinator.sweep.rows.reader import RowReader
from musterd_coordinator.sweep.rows.relays import MOST_RELAYS, RelayWatch, marks_key
from musterd_coordinator.sweep.signed.signing import Signing

_NEW_CANARY = """
INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record)
VALUES (?, ?, ?, CRC32(USER()), ?)
ON DUPLICATE KEY UPDATE member_id = VALUES(member_id), namespace_key = VALUES(namespace_key),
    login_key = VALUES(login_key), record = VALUES(record), seen_at = CURRENT_TIMESTAMP(3)
"""
_READ_MARKS = """
SELECT slot, record FROM musterd_beat
WHERE slot < 0 AND namespace_key = ? ORDER BY slot LIMIT ?
"""
_OLD_CANARIES = """
DELETE FROM musterd_beat WHERE slot < 0 AND seen_at < CURRENT_TIMESTAMP - INTERVAL 1 DAY
"""


def open_reader(
    driver: MySqlDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the database's reader; see :func:`musterd_coordinator.sweep.base.open_reader`."""
    del shard
    return MySqlReader(driver, coordinator, signing)


class MySqlReader(RowReader):
    """A `MySqlReader` reads the database for one coordinator: see :class:`RowReader`.

    Its canary is written by the procedure that agents call.
    """

    _link: MySqlSession
    _canary_link: MySqlSession
    _roster: RosterReader

    def __init__(self, driver: MySqlDriver, coordinator: str, signing: Signing | None) -> None:
        target, namespace, timeout = driver.target, driver.namespace, driver.timeout
        link = MySqlSession(target, timeout)
        canary_link = MySqlSession(target, timeout, patient=False)
        hosts = [MySqlSession(host, timeout, patient=False) for host in target.each()]
        super().__init__(link, canary_link, namespace, coordinator, signing, hosts)
        self._canary = MySqlWriter(canary_link, namespace)
        self._challenge = RowChallenge(canary_link, namespace)
        self._relays = RelayWatch(self._seals.is_relays if self._seals else None)
        self._fits: Session | None = None
        self._roster = RosterReader(link, namespace, self._seats, signing)

    async def _make_tables(self) -> None:
        await ensure_schema(self._link)

    async def _write_anew(self, beat: Beat) -> None:
        await again(lambda: self._write_once(beat))

    async def _write_once(self, beat: Beat) -> None:
        row = self._canary_slot, signed(beat.member_id), self._key, pack(beat)
        async with self._canary_link.session() as session:
            await session.check_writable()
            await fit(session)
            await session.once(_NEW_CANARY, row)
            await session.once(_OLD_CANARIES)

    async def sweep(self) -> BeatBatch:
        """Return the namespace's beats, and the canary."""
        async with self._tables(), self._link.session() as session:
            if session is not self._fits:
                await fit(session)
                self._fits = session
            self._harvest.reset()
            where = self._key, self._roster.top, self._canary_slot
            await read_beats(session, *where, self._take)
            marks = await session.execute(_READ_MARKS, (marks_key(self._namespace), MOST_RELAYS))
        read = {slot: bytes(record) for slot, record in marks.rows}
        now = anyio.current_time()
        return self._batch(self._relays.judge(read, self._seats.fingerprint(), now))

    async def _retire(self, member: Member) -> None:
        its_id = member_id(self._namespace, member.group, member.name)
        await again(lambda: retire(self._link, its_id))
