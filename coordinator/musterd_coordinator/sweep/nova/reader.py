"""The module is the coordinator's side of Nova's databases: rows of services as members that beat."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint

from musterd.beat import SIZE, Beat, beat_in, pack
from musterd.errors import ConfigError, ShardRefused
from musterd.model import Member
from musterd.stores.mysql.url import Target as MySqlTarget
from musterd.stores.nova.store import Cell, Leg, NovaDriver
from musterd.stores.nova.url import target_of
from musterd_coordinator.sweep.base import BeatBatch, Roster, ShardReader
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.nova import apidb
from musterd_coordinator.sweep.nova.herd import Herd
from musterd_coordinator.sweep.nova.pace import ReportPace
from musterd_coordinator.sweep.nova.service import Service, ServiceSeating
from musterd_coordinator.sweep.nova.source import NovaSource
from musterd_coordinator.sweep.nova.table import Look, ServiceRows, ServiceTable
from musterd_coordinator.sweep.nova.witness import Witness
from musterd_coordinator.sweep.nova.zones import ZONES_TIMEOUT, HostZones
from musterd_coordinator.sweep.signed.signing import Signing

PAGE = 500
"""Rows whose services are read at a time."""

PORTION = 16_000
"""Rows whose services one call reads."""

DIRECT_PUSH_TIMEOUT = 5.0
"""Seconds that a service which writes itself is taken to wait for the database."""

RIGHTS_PERIOD = 60.0
"""Seconds until it is looked again whether a right that a trace lacks is there."""

T = TypeVar("T")


def open_reader(
    driver: NovaDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the reader of one leg; see :func:`musterd_coordinator.sweep.base.open_reader`.

    Raises ConfigError with ``signing``: Nova signs nothing.
    """
    if signing is not None:
        raise ConfigError(
            f"store {driver.nova.url} is Nova's, which signs nothing: leave out fleet_key_file and"
            " signatures for a coordinator that watches it"
        )
    cell, leg = driver.legs[shard]
    source = source_of(cell, leg, driver.timeout, timed=driver.timed)
    return NovaReader(source, driver, cell, leg, coordinator)


def source_of(cell: Cell, leg: Leg, timeout: float, *, timed: bool = False) -> NovaSource:
    """Return the way to one leg of the database of ``cell``; see :attr:`NovaDriver.timed`."""
    target = target_of(cell.database)
    if isinstance(target, MySqlTarget):
        from musterd_coordinator.sweep.nova.mysql import MySqlSource  # needs an extra

        return MySqlSource(target, leg, timeout, timed=timed)
    from musterd_coordinator.sweep.nova.postgres import PostgresSource

    return PostgresSource(target, leg, timeout, timed=timed)


class NovaReader:
    """A `NovaReader` reads one leg of a cell: see :class:`musterd_coordinator.sweep.base.ShardReader`.

    A sweep proves nothing while the way of the leg's services is in doubt, however well the canary
    fares. ``clock`` gives monotonic seconds.
    """

    def __init__(
        self,
        source: NovaSource,
        driver: NovaDriver,
        cell: Cell,
        leg: Leg,
        coordinator: str,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.name = source.name
        self._clock = clock
        self._source = source
        self._leg = leg
        # Cells on one server share the table of canaries.
        database = source.name.rpartition("/")[2]  # and the leg
        self._canary = f"{driver.namespace}/{coordinator}/{database}"
        rhythm = driver.rhythm
        self._pace = ReportPace(
            rhythm.interval, driver.nova.rpc_response_timeout, rhythm.sweep_period
        )
        self._table = ServiceTable(shared=leg is Leg.DIRECT or driver.signed)
        zoned = driver.zoned and leg is Leg.RPC
        api = apidb.database_at(driver.nova.target, ZONES_TIMEOUT) if zoned else None
        self._zones = HostZones(api, cell.name)
        self._seating = ServiceSeating(
            *(source.name, driver.namespace, driver.nova.group, cell.name), self._zones.of
        )
        self._herd, self._witness = Herd(self._pace), Witness(self._pace)
        self._others: int | None = None
        self._check_due = 0.0
        self._checked = self._has_canary = self._complete = self._follows = False

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite the canary; return False when it was gone and had to be written anew."""
        if not self._checked or (self._source.is_blind and self._clock() >= self._check_due):
            await self._source.check()
            self._checked, self._check_due = True, self._clock() + RIGHTS_PERIOD
        record = pack(beat)
        if await self._known(self._source.write(self._canary, record)):
            self._has_canary = True
            return True
        await self._known(self._source.write_anew(self._canary, record))
        lost, self._has_canary = self._has_canary, True
        return not lost

    async def renew(self) -> None:
        """Have the canary connect as a newcomer would, and then what reads as well."""
        await self._source.renew()
        self._follows = True

    async def roster(self) -> Roster:
        """Return which services came, changed or went since the last call."""
        if self._follows:
            await self._source.follow()
            self._follows = False
        self._table.doubt(self._seating.slots_of(await self._zones.refresh(self._clock())))
        if not self._table.looked:
            self._look((await self._known(self._source.read(self._canary))).rows)
        slots, ids = self._table.due(PORTION)
        found = dict[int, Service]()
        for begin in range(0, len(ids), PAGE):
            page = await self._known(self._source.services(ids[begin : begin + PAGE]))
            found |= {service.id: service for service in page}
        seats = [
            seat
            for slot, number in zip(slots.tolist(), ids.tolist(), strict=True)
            if number in found and (seat := self._seating.seat(slot, found[number]))
        ]
        self._seating.refused.log()
        roster = self._table.tell(slots, seats)
        self._complete |= not self._table.left()
        return replace(roster, more=not self._complete)

    async def sweep(self) -> BeatBatch:
        """Return what the rows say, and the canary."""
        read = await self._known(self._source.read(self._canary))
        now = self._clock()
        look = self._look(read.rows)
        await checkpoint()
        self._judge_way(look, read.others, now)
        await checkpoint()
        beats = self._table.beats(round(self._pace.interval * 1000), self._push_timeout_ms)
        rejected = Rejected(field=len(look.spoiled), holder=len(self._seating.refused))
        return BeatBatch(
            *(beats, rejected, beat_in(read.canary) if len(read.canary) == SIZE else None),
            spoiled=look.spoiled,
            established=len(beats.slot) + len(look.spoiled),
            doubt=self._doubt(),
            last_seen=self._table.last_seen(),
        )

    async def retire(self, member: Member) -> None:
        """Do nothing: Nova's rows are Nova's."""

    async def aclose(self) -> None:
        """Close the connections without waiting for the network."""
        self._source.close()
        self._zones.close()

    def _look(self, rows: ServiceRows) -> Look:
        look = self._table.look(rows)
        self._herd.forget(look.vacated)
        self._seating.vacate(look.vacated.tolist())
        return look

    def _judge_way(self, look: Look, others: int, now: float) -> None:
        if self._leg is Leg.RPC:
            self._herd.take(now, look.reported)
            return
        grew = self._others is not None and others > self._others
        self._others = others
        self._witness.take(now, reported=grew or len(look.reported) > 0)

    def _doubt(self) -> str:
        """Say why nobody's silence counts, however well the database is; empty where it does."""
        if not self._table.seated:
            return ""
        if self._leg is Leg.DIRECT:
            return "" if self._witness.is_open else self._witness.reason
        if self._herd.is_open:
            return ""
        return (
            f"reports of nova-compute pass a message queue and a conductor, and {self._herd.reason}"
        )

    @property
    def _push_timeout_ms(self) -> int:
        """Return what a member waits for the answer to a report; 0: what the coordinator's rules say."""
        return 0 if self._leg is Leg.RPC else round(DIRECT_PUSH_TIMEOUT * 1000)

    async def _known(self, call: Awaitable[T]) -> T:
        """Return what ``call`` does; where it is refused, see first what is missing the next time."""
        try:
            return await call
        except ShardRefused:
            self._checked = False
            raise
