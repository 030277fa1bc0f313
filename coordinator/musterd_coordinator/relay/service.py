"""A relay is wired here: what is started in which order, and how it stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from random import uniform
from socket import gethostname

import anyio
import structlog

from musterd.beat import Beat, Status, member_id, new_incarnation, pack
from musterd.errors import StoreError
from musterd.keys import FleetKeys
from musterd.renewal import LOOK_EVERY, Renewable, keep_looking
from musterd.settings.keyring import renewable_fleet_keys
from musterd.settings.settings import Settings
from musterd.stores.slots.protocol import Keys
from musterd.stores.table.table import Table
from musterd.tls import server_tls
from musterd.urls import host_and_port
from musterd_coordinator.doorway.guard import check_beats, check_page
from musterd_coordinator.doorway.pagedoor import PageDoor
from musterd_coordinator.process.daemon import lasting
from musterd_coordinator.process.looplag import measure_lag
from musterd_coordinator.relay.checking import RelayChecks
from musterd_coordinator.relay.database import open_database
from musterd_coordinator.relay.figures import page_of
from musterd_coordinator.relay.gauges import RelayGauges
from musterd_coordinator.relay.healing import keep_announced
from musterd_coordinator.relay.promptness import LatencyFigures, LatencyReport
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.relay.server import TABLE_MEMORY, RelayServer
from musterd_coordinator.relay.writer import BeatWriter, SlotAllocator
from musterd_coordinator.sweep.rows.relays import mark_slot
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.turns import in_steps

log = structlog.get_logger(__name__)

STOPPING = b"SERVER_ERROR this relay is stopping"
_STOP_TIMEOUT = 2.0
_TIDY_PERIOD = 10.0
_FRESH_PERIOD = 20.0
_TIDY_AT_A_TIME = 2000
_MARK_PERIOD = 1.0


class RelayService:
    """A `RelayService` is all the parts of one relay; it is made inside a running loop."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.effective_push_timeout  # an agent waits no longer
        self._ttl = settings.beat_ttl
        self._service_down_time = settings.service_down_time
        self._namespace = settings.namespace
        self._mark_period = min(_MARK_PERIOD, settings.service_down_time / 10)
        self._reached = anyio.Event()
        self._run, self._sequence = new_incarnation(), count(1)
        self.store, *self._databases = open_database(settings.store, self._timeout)
        self._of_beats, self._of_seats = self._databases
        self.gauges = RelayGauges(anyio.current_time)
        table = Table(TABLE_MEMORY)
        self.table, self._keys = table, renewable_fleet_keys(settings)
        self._checks = _checks(settings, self._keys) if self._keys else None
        self.reception = Inbox(table, anyio.current_time, self._service_down_time, self._checks)
        host, port = host_and_port(settings.relay_listen)
        self.tls = server_tls(settings)
        self.server = RelayServer(host, port, table, self.reception, self.gauges, self.tls)
        self.page = _page_door(settings, self)
        self.promptness = LatencyReport(self._timeout)
        self.writer = BeatWriter(
            *(self.reception, self._of_beats, settings.relay_period, self._service_down_time / 3),
            *(self.gauges, self.promptness),
        )
        self.usher = SlotAllocator(self.reception, self._of_seats, self.gauges)

    def renew(self) -> None:
        """Take renewed certificates and keys now."""
        if self.tls is not None:
            self.tls.look(patient=False)
        if self._keys is not None:
            self._keys.look(patient=False)

    async def reached(self) -> None:
        """Wait until the database was reached, however long that takes."""
        await self._reached.wait()

    async def keep_marking(self) -> None:
        """Show coordinators that it is at work, until cancelled.

        It does so by the connection of beats: a relay that cannot write them does not show either.
        """
        while True:
            try:
                await self._pass_challenge_on()
                await self._mark(self._report())
            except StoreError as error:
                self.gauges.beats.failed(error, 0)
            else:
                self.gauges.beats.worked()
                self._reached.set()
            due = anyio.current_time() + uniform(0.8, 1.0) * self._mark_period
            await anyio.sleep_until(due)
            self.promptness.waited(anyio.current_time() - due)

    async def _pass_challenge_on(self) -> None:
        """Show agents the challenge that coordinators keep in the database."""
        if self._checks is None:
            return
        value = await self._of_beats.challenge(self._namespace)
        self._checks.saw(value)
        self.table.set(Keys(self._namespace).challenge, value)

    def _report(self) -> LatencyFigures:
        now = anyio.current_time()
        return self.promptness.summarize(self.reception.seats.active(now), now)

    async def keep_keys(self) -> None:
        """Take the keys of a renewed file, until cancelled."""
        if self._checks is None or self._keys is None:
            return
        used = self._checks.keys
        while True:
            await anyio.sleep(LOOK_EVERY)
            self._keys.look()
            if self._checks.keys != used:
                used = self._checks.keys
                await in_steps(self.reception.seal_anew(self._checks))

    async def keep_announced(self) -> None:
        """Have members announced again whose rows somebody changed, until cancelled."""
        if self._checks is not None:
            await keep_announced(self.reception, self._checks, self._of_seats)

    async def _mark(self, report: LatencyFigures) -> None:
        name = f"{gethostname()}-{self.server.port}"
        identity, interval = member_id(self._namespace, "", f"relay {name}"), self._mark_period
        beat = Beat(
            *(identity, self._run, next(self._sequence), round(interval * 1000), report.status),
            missed=report.missed,
            lag_ms=report.lag_ms,
        )
        slot = mark_slot(self._namespace, name)
        record = pack(beat) if self._checks is None else self._checks.sign_mark(beat, slot)
        await self._of_beats.mark(self._namespace, slot, identity, record)

    async def keep_fresh(self) -> None:
        """Connect to the database anew time and again, until cancelled: its name may have moved."""
        longest = min(_FRESH_PERIOD, self._service_down_time / 3)
        while True:
            await anyio.sleep(uniform(0.5, 1.0) * longest)
            for database in self._databases:
                with suppress(StoreError):  # the old connection serves
                    await database.link.renew()

    async def keep_tidy(self) -> None:
        """Drop members that did not beat for long, until cancelled."""
        while True:
            await anyio.sleep(_TIDY_PERIOD)
            await self.tidy()

    async def tidy(self) -> None:
        """Drop members that did not beat for as long as a store keeps a beat."""
        oldest = anyio.current_time() - self._ttl
        for at, identity in enumerate(self.reception.seats.unused_since(oldest), 1):
            self.reception.vacate(identity)
            if not at % _TIDY_AT_A_TIME:
                await anyio.lowlevel.checkpoint()

    async def stop(self) -> None:
        """Acknowledge what is being committed, refuse all else, and hang up."""
        self.reception.close(STOPPING)
        with anyio.move_on_after(_STOP_TIMEOUT), suppress(StoreError):
            async with self.writer.turn:
                pass
            if self._reached.is_set():
                await self._mark(self._report()._replace(status=Status.LEAVING))
        await self.server.aclose()

    def disconnect(self) -> None:
        """Close the connections to the database without waiting for the network."""
        for database in self._databases:
            database.link.close()


def _page_door(settings: Settings, relay: RelayService) -> PageDoor | None:
    """Return what serves its metrics; None where none are asked for."""
    if settings.relay_metrics is None:
        return None
    names = {"called": "relay's metrics", "option": "relay_metrics"}
    return PageDoor(settings.relay_metrics, partial(page_of, relay), relay.tls, **names)


def _checks(settings: Settings, file: Renewable[FleetKeys]) -> RelayChecks:
    """Return what beats are checked with, by the keys of a file that may be renewed."""
    required, down_time = settings.signatures_in_force == "require", settings.service_down_time
    names = settings.namespace, gethostname()
    signing = Signing(file.current(), *names, required=required, down_time=lambda: down_time)
    checks = RelayChecks(signing)
    file.take = checks.adopt
    return checks


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[RelayService]:
    """Run a relay; leave nothing running behind. Raises ConfigError when it cannot begin.

    A database that does not answer is no reason not to begin.
    """
    relay = RelayService(settings)
    by_tls = relay.tls is not None
    await check_beats(settings, "the relay", relay.server.host, by_tls=by_tls)
    if relay.page is not None:
        await check_page(settings, "the relay's metrics", relay.page.host)
    await relay.server.start()
    try:
        if relay.page is not None:
            await relay.page.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(relay.writer.run)
            tasks.start_soon(relay.usher.run)
            tasks.start_soon(relay.keep_marking)
            tasks.start_soon(relay.keep_fresh)
            tasks.start_soon(measure_lag, relay.gauges.loop.observe)
            tasks.start_soon(lasting, "tidy", relay.keep_tidy)
            tasks.start_soon(lasting, "renewed keys", relay.keep_keys)
            tasks.start_soon(lasting, "announcements", relay.keep_announced)
            if relay.tls is not None:
                tasks.start_soon(lasting, "renewed certificates", partial(keep_looking, relay.tls))
            try:
                yield relay
            finally:
                with anyio.CancelScope(shield=True):
                    await relay.stop()
                tasks.cancel_scope.cancel()
    finally:
        await relay.server.aclose()
        if relay.page is not None:
            await relay.page.aclose()
        relay.disconnect()
