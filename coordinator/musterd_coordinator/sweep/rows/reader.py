"""The module is what the readers of all databases have in common: seats, beats by rows, a canary."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
from numpy.typing import NDArray

from musterd.beat import Beat
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores.rowwriter import RowWriter, namespace_key
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.challenge import ChallengeValue
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.rows.canary import canary_slot
from musterd_coordinator.sweep.rows.collector import RowCollector
from musterd_coordinator.sweep.rows.doubts import Doubts
from musterd_coordinator.sweep.rows.moves import MoveWatch, Reaching
from musterd_coordinator.sweep.rows.rivals import HostWay, Rivals
from musterd_coordinator.sweep.rows.sealed import SealedRowCollector
from musterd_coordinator.sweep.rows.slotmap import RowSlots
from musterd_coordinator.sweep.signed.intake import RosterIntake
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing


class RosterSource(Protocol):
    """A `RosterSource` reads which member has which seat."""

    @property
    def refused(self) -> int:
        """Return how many rows are left alone."""

    def doubt(self) -> None:
        """Read everything once more."""

    async def read(self) -> Roster:
        """Return what changed since the last call. Raises StoreError."""


class ReaderLink(Reaching, Protocol):
    """A `ReaderLink` is a connection to a database, and names it."""

    name: str

    def close(self) -> None:
        """End it without waiting for the network."""


class RowReader(ABC):
    """A `RowReader` reads a database for one coordinator.

    See :class:`musterd_coordinator.sweep.base.ShardReader`. The canary has a connection of its own,
    ``canary_link``, and takes an agent's way: what writes beats writes it, into the same table. Its
    row has a negative slot made from the coordinator's name. With ``signing`` it believes what is
    signed. ``hosts`` are ways to each, where its URL has several.
    """

    _canary: RowWriter
    _challenge: ChallengeValue
    _roster: RosterSource

    def __init__(
        self,
        link: ReaderLink,
        canary_link: ReaderLink,
        namespace: str,
        coordinator: str,
        signing: Signing | None,
        hosts: Sequence[HostWay] = (),
    ) -> None:
        self.name = link.name
        self._link = link
        self._canary_link = canary_link
        self._namespace = namespace
        self._key = namespace_key(namespace)
        self._canary_slot = canary_slot(namespace, coordinator)
        self._move = MoveWatch(canary_link, link)
        self._rivals = Rivals(hosts)
        self._has_tables = self._has_canary = False
        self._seats = RowSlots()
        self._seals = SlotSeals(signing, signing.challenge(), self.name) if signing else None
        self._intake = RosterIntake(self._seals)
        self._harvest = self._collector()
        self._doubts = Doubts()

    def _collector(self) -> RowCollector:
        if self._seals is None:
            return RowCollector(self.name, self._seats, self._canary_slot)
        return SealedRowCollector(self.name, self._seats, self._canary_slot, self._seals)

    @abstractmethod
    async def _make_tables(self) -> None:
        """Create or upgrade the tables where they are not up to date. Raises StoreError."""

    @abstractmethod
    async def _write_anew(self, beat: Beat) -> None:
        """Write the canary where there is none. Raises StoreError."""

    @abstractmethod
    async def _retire(self, member: Member) -> None:
        """Remove a member's beat and vacate its slot. Raises StoreError."""

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when it was gone and had to be written anew."""
        async with self._tables():
            if self._seals is not None:
                await self._seals.keep_challenge(self._challenge, anyio.current_time())
            if await self._canary.write(self._canary_slot, beat):
                self._has_canary = True
                return True
            await self._write_anew(beat)
        lost, self._has_canary = self._has_canary, True
        return not lost

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
            await self._rivals.follow()
            return await self._roster.read()

    def _take(self, rows: NDArray[Any]) -> Steps[None] | None:
        if isinstance(self._harvest, SealedRowCollector):
            return self._harvest.check(rows, anyio.current_time())
        self._harvest.collect(rows)
        return None

    def _batch(self, reason: str = "") -> BeatBatch:
        """Return what a sweep took in; ``reason`` says why it is not complete."""
        harvest = self._harvest
        if self._doubts.are_raised(harvest.rejected.member_id):
            self._roster.doubt()
        reason = self._rivals.reason() or self._move.reason(self._seats) or reason
        spoils = harvest.spoils()
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

    async def retire(self, member: Member) -> None:
        """Remove a forgotten member's beat and vacate its slot."""
        async with self._tables():
            await self._retire(member)
        if self._seals is not None:
            self._seals.retire(member)

    async def aclose(self) -> None:
        """Close all connections without waiting for the network."""
        self._rivals.close()
        self._link.close()
        self._canary_link.close()

    @asynccontextmanager
    async def _tables(self) -> AsyncIterator[None]:
        """Make the tables where they are missing: at first, and when a call says so."""
        if not self._has_tables:
            await self._make_tables()
            self._has_tables = True
        try:
            yield
        except ShardRefused:
            self._has_tables = False
            raise
