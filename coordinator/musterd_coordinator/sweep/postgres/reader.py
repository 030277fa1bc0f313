"""The module is the coordinator's side of PostgreSQL as a store: seats, all beats, and a canary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from numpy.typing import NDArray

from musterd.beat import Beat, pack
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores.postgres.schema import ensure_schema
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.store import PostgresDriver
from musterd.stores.postgres.url import Target
from musterd.stores.postgres.writer import PostgresWriter, retire
from musterd.stores.rowwriter import namespace_key, signed
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import BeatBatch, Roster, ShardReader
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.postgres.challenge import RowChallenge
from musterd_coordinator.sweep.postgres.relays import MOST_RELAYS, READ_MARKS, RelayWatch, marks_key
from musterd_coordinator.sweep.postgres.roster import PAGE, PORTION, RosterReader
from musterd_coordinator.sweep.postgres.scan import SNAPSHOT, Scan
from musterd_coordinator.sweep.rows.canary import canary_slot
from musterd_coordinator.sweep.rows.collector import RowCollector
from musterd_coordinator.sweep.rows.doubts import Doubts
from musterd_coordinator.sweep.rows.moves import MoveWatch
from musterd_coordinator.sweep.rows.sealed import SealedRowCollector
from musterd_coordinator.sweep.rows.slotmap import RowSlots
from musterd_coordinator.sweep.signed.intake import RosterIntake
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing

_NEW_CANARY = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record, role_key)
VALUES ($1, now(), $2, $3, $4, hashtext(SESSION_USER))
ON CONFLICT (slot) DO UPDATE SET
    member_id = excluded.member_id, seen_at = excluded.seen_at, record = excluded.record,
    namespace_key = excluded.namespace_key, role_key = excluded.role_key
"""
# An update finds room beside the row, where others may have none: think of a disk that is full of
# the versions that a forgotten transaction keeps. An insert needs room that any writer could use.
_MOVED_CANARY = """
WITH moved AS (DELETE FROM musterd.beat WHERE slot = $1 RETURNING *)
INSERT INTO musterd.beat SELECT * FROM moved
"""
_OLD_CANARIES = "DELETE FROM musterd.beat WHERE slot < 0 AND seen_at < now() - interval '1 day'"


def open_reader(
    driver: PostgresDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the database's reader; see :func:`musterd_coordinator.sweep.base.open_reader`."""
    del shard
    return PostgresReader(
        driver.target, driver.namespace, coordinator, driver.timeout, signing=signing
    )


class PostgresReader:
    """A `PostgresReader` reads the database for one coordinator.

    See :class:`musterd_coordinator.sweep.base.ShardReader`.

    The canary has a connection of its own and takes an agent's way: the same writer, the same
    UPDATE, the same table. Its row has a negative slot made from the coordinator's name. While all
    beats are read no canary is written, and its connection reads half of a large table.

    A sweep brings the beats that are new since the one before; a lost canary makes the next a full
    one. Of the roster ``page`` rows are read at a time, and some ``portion`` in one call. With
    ``signing`` it believes what is signed.
    """

    def __init__(
        self,
        target: Target,
        namespace: str,
        coordinator: str,
        timeout: float,
        *,
        page: int = PAGE,
        portion: int = PORTION,
        signing: Signing | None = None,
    ) -> None:
        self.name = target.name
        self._namespace = namespace
        self._key = namespace_key(namespace)
        self._canary_slot = canary_slot(namespace, coordinator)
        self._link = PgSession(target, timeout)
        self._canary_link = PgSession(target, timeout, patient=False)
        self._move = MoveWatch(self._canary_link, self._link)
        self._canary = PostgresWriter(self._canary_link, namespace)
        self._scan = Scan(self._link, self._canary_link, self._key)
        self._has_tables = self._has_canary = False
        self._seats = RowSlots()
        self._seals = SlotSeals(signing, signing.challenge(), self.name) if signing else None
        self._intake = RosterIntake(self._seals)
        self._challenge = RowChallenge(self._canary_link, namespace)
        self._harvest = self._collector()
        self._relays = RelayWatch(self._seals.is_relays if self._seals else None)
        self._roster = RosterReader(
            self._link, namespace, self._seats, page=page, portion=portion, signing=signing
        )
        self._doubts = Doubts()

    def _collector(self) -> RowCollector:
        if self._seals is None:
            return RowCollector(self.name, self._seats, self._canary_slot)
        return SealedRowCollector(self.name, self._seats, self._canary_slot, self._seals)

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when it was gone and had to be written anew."""
        async with self._tables():
            if self._seals is not None:
                now = anyio.current_time()
                await self._seals.keep_challenge(self._challenge, now)
            if await self._canary.write(self._canary_slot, beat):
                self._has_canary = True
                return True
            row = signed(beat.member_id), self._canary_slot, self._key, pack(beat)
            async with self._canary_link.transaction() as connection:
                await connection.execute(_NEW_CANARY, *row)
                await connection.execute(_OLD_CANARIES)
        self._scan.invalidate()  # where the canary is gone, others may be
        lost, self._has_canary = self._has_canary, True
        return not lost

    async def renew(self) -> None:
        """Have the canary connect and take its place in the table as a newcomer would."""
        async with self._tables():
            await self._canary_link.renew()
            await self._move.check()
            async with self._canary_link.transaction() as connection:
                await connection.execute(_MOVED_CANARY, self._canary_slot)

    async def roster(self) -> Roster:
        """Return what changed among the seats since the last call."""
        return await self._intake.roster(self._read_roster)

    async def _read_roster(self) -> Roster:
        async with self._tables():
            await self._move.follow()
            return await self._roster.read()

    async def sweep(self) -> BeatBatch:
        """Return the namespace's beats that are new since the last call, and the canary."""
        harvest, scan = self._harvest, self._scan
        async with self._tables(), self._link.transaction(begin=SNAPSHOT) as connection:
            harvest.reset(everything=await scan.start(connection))
            await scan.read(connection, self._seats.count(), self._take)
            marks = await connection.fetch(READ_MARKS, marks_key(self._namespace), MOST_RELAYS)
        if harvest.settled:
            scan.acknowledge()
        reason = self._move.reason(self._seats) or self._relays.judge(
            {slot: record for slot, record in marks},  # noqa: C416 (a Record is no tuple to mypy)
            self._seats.fingerprint(),
            anyio.current_time(),
        )
        if self._doubts.are_raised(harvest.rejected.member_id):
            self._roster.doubt()
        spoils = harvest.spoils()
        rejected = harvest.rejected + Rejected(holder=self._roster.refused)
        batch = BeatBatch(
            *(harvest.beats(), rejected, harvest.canary, not reason, reason),
            unchanged=harvest.unchanged(),
            spoiled=spoils.slots,
            established=spoils.records,
        )
        return batch if self._seals is None else self._signed(batch, self._seals)

    def _take(self, rows: NDArray[Any]) -> Steps[None] | None:
        if isinstance(self._harvest, SealedRowCollector):
            return self._harvest.check(rows, anyio.current_time())
        self._harvest.collect(rows)
        return None

    def _signed(self, batch: BeatBatch, seals: SlotSeals) -> BeatBatch:
        if batch.complete:
            seals.finish()
        return seals.with_signatures(batch)

    async def retire(self, member: Member) -> None:
        """Remove a forgotten member's beat and vacate its slot."""
        async with self._tables():
            await retire(self._link, self._namespace, member)
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
