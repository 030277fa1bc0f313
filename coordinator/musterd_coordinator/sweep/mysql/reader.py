"""The module is the coordinator's side of MariaDB as a store: seats, all beats, and a canary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from numpy.typing import NDArray

from musterd.beat import Beat, member_id, pack
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores.link import again
from musterd.stores.mysql.schema import ensure_schema
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.store import MySqlDriver
from musterd.stores.mysql.writer import MySqlWriter, retire
from musterd.stores.rowwriter import namespace_key, signed
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import BeatBatch, Roster, ShardReader
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.mysql.challenge import RowChallenge
from musterd_coordinator.sweep.mysql.roster import RosterReader
from musterd_coordinator.sweep.mysql.scan import read_beats
from musterd_coordinator.sweep.rows.canary import canary_slot
from musterd_coordinator.sweep.rows.collector import RowCollector
from musterd_coordinator.sweep.rows.doubts import Doubts
from musterd_coordinator.sweep.rows.moves import MoveWatch
from musterd_coordinator.sweep.rows.sealed import SealedRowCollector
from musterd_coordinator.sweep.rows.slotmap import RowSlots
from musterd_coordinator.sweep.signed.intake import RosterIntake
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing

_LOGIN = "LEFT(SESSION_USER(), CHAR_LENGTH(SESSION_USER()) - LOCATE('@', REVERSE(SESSION_USER())))"
_NEW_CANARY = f"""
INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record)
VALUES (?, ?, ?, CRC32({_LOGIN}), ?)
ON DUPLICATE KEY UPDATE member_id = VALUES(member_id), namespace_key = VALUES(namespace_key),
    login_key = VALUES(login_key), record = VALUES(record), seen_at = CURRENT_TIMESTAMP
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


class MySqlReader:
    """A `MySqlReader` reads the database for one coordinator.

    See :class:`musterd_coordinator.sweep.base.ShardReader`.

    The canary has a connection of its own and takes an agent's way: the same procedure, the same
    table. Its row has a negative slot made from the coordinator's name. With ``signing`` it believes
    what is signed.
    """

    def __init__(self, driver: MySqlDriver, coordinator: str, signing: Signing | None) -> None:
        target, timeout = driver.target, driver.timeout
        self.name = target.name
        self._namespace = driver.namespace
        self._key = namespace_key(driver.namespace)
        self._canary_slot = canary_slot(driver.namespace, coordinator)
        self._link = MySqlSession(target, timeout)
        self._canary_link = MySqlSession(target, timeout, patient=False)
        self._move = MoveWatch(self._canary_link, self._link)
        self._canary = MySqlWriter(self._canary_link, driver.namespace)
        self._has_tables = self._has_canary = False
        self._seats = RowSlots()
        self._seals = SlotSeals(signing, signing.challenge()) if signing else None
        self._intake = RosterIntake(self._seals)
        self._challenge = RowChallenge(self._canary_link, driver.namespace)
        self._harvest = self._collector()
        self._roster = RosterReader(self._link, driver.namespace, self._seats, signing)
        self._doubts = Doubts()

    def _collector(self) -> RowCollector:
        if self._seals is None:
            return RowCollector(self.name, self._seats, self._canary_slot)
        return SealedRowCollector(self.name, self._seats, self._canary_slot, self._seals)

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when it was gone and had to be written anew."""
        async with self._tables():
            if self._seals is not None:
                await self._seals.keep_challenge(self._challenge, anyio.current_time())
            if await self._canary.write(self._canary_slot, beat):
                self._has_canary = True
                return True
            await again(lambda: self._write_anew(beat))
        lost, self._has_canary = self._has_canary, True
        return not lost

    async def _write_anew(self, beat: Beat) -> None:
        row = self._canary_slot, signed(beat.member_id), self._key, pack(beat)
        async with self._canary_link.session() as session:
            await session.once(_NEW_CANARY, row)
            await session.once(_OLD_CANARIES)

    async def renew(self) -> None:
        """Have the canary connect as a newcomer would."""
        async with self._tables():
            await self._canary_link.renew()
            await self._move.check()

    async def roster(self) -> Roster:
        """Return what changed among the seats since the last call."""
        return await self._intake.roster(self._read_roster)

    async def _read_roster(self) -> Roster:
        async with self._tables():
            await self._move.follow()
            return await self._roster.read()

    async def sweep(self) -> BeatBatch:
        """Return the namespace's beats, and the canary."""
        harvest = self._harvest
        async with self._tables(), self._link.session() as session:
            harvest.reset()
            where = self._key, self._roster.top, self._canary_slot
            await read_beats(session, *where, self._take)
        if self._doubts.are_raised(harvest.rejected.member_id):
            self._roster.doubt()
        reason, spoils = self._move.reason(self._seats), harvest.spoils()
        rejected = harvest.rejected + Rejected(holder=self._roster.refused)
        batch = BeatBatch(
            *(harvest.beats(), rejected, harvest.canary, not reason, reason),
            unchanged=harvest.unchanged(),
            spoiled=spoils.slots,
            established=spoils.records,
        )
        if self._seals is None:
            return batch
        if batch.complete:
            self._seals.finish()
        return self._seals.with_signatures(batch)

    def _take(self, rows: NDArray[Any]) -> Steps[None] | None:
        if isinstance(self._harvest, SealedRowCollector):
            return self._harvest.check(rows, anyio.current_time())
        self._harvest.collect(rows)
        return None

    async def retire(self, member: Member) -> None:
        """Remove a forgotten member's beat and vacate its slot."""
        its_id = member_id(self._namespace, member.group, member.name)
        async with self._tables():
            await again(lambda: retire(self._link, its_id))
        if self._seals is not None:
            self._seals.retire(member)

    async def aclose(self) -> None:
        """Close both connections without waiting for the network."""
        self._link.close()
        self._canary_link.close()

    @asynccontextmanager
    async def _tables(self) -> AsyncIterator[None]:
        """Make the tables where they are missing: at first, and when a call says so."""
        if not self._has_tables:
            await ensure_schema(self._link)
            self._has_tables = True
        try:
            yield
        except ShardRefused:
            self._has_tables = False
            raise
