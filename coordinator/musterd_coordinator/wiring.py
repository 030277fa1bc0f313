"""A coordinator is wired here: what is started in which order, and how it stops."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from socket import gethostname
from time import time

import anyio
import anyio.lowlevel
import numpy as np
import structlog
from anyio.abc import TaskGroup

from musterd.beat import member_id
from musterd.errors import ConfigError, StoreError
from musterd.limits import PUSH_SHARE, USUAL_PUSH_TIMEOUT
from musterd.loop_clock import clock_of_loop
from musterd.model import Member
from musterd.renewal import keep_looking
from musterd.settings.keyring import renewable_fleet_keys
from musterd.settings.sources import Settings
from musterd.stores import Store, open_store
from musterd.stores.nova.store import Rhythm, beside, is_novas, timed
from musterd.stores.nova.url import parse_url
from musterd.tls import Tls, client_tls, own_tls, server_tls
from musterd.urls import host_and_port
from musterd_coordinator.doorway.guard import check_api, check_beats
from musterd_coordinator.judge.members import Seconds
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.limits.descriptors import allowed, for_embedded_store
from musterd_coordinator.limits.seldom import Seldom
from musterd_coordinator.process.daemon import lasting
from musterd_coordinator.process.memory import keep_small
from musterd_coordinator.registry.base import Registry, open_registry
from musterd_coordinator.roll.placement import Places
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks, wall_instant
from musterd_coordinator.service.access import Access
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.expiry import LeftReaper, UnlistedReaper
from musterd_coordinator.service.fleet_keys import FleetKeyFile
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.service.peers import Peers
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.service.status import Identity
from musterd_coordinator.sweep.base import open_reader
from musterd_coordinator.sweep.loop import Sweeper, SweepOutcome
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.tracing.opening import recorder_of
from musterd_coordinator.tracing.recorder import Recorder

log = structlog.get_logger(__name__)

REGISTRY_TIMEOUT = 10.0
RETIRE_TIMEOUT = 2.0


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[CoordinatorService]:
    """Run a coordinator without its HTTP; leave nothing running behind.

    Raises ConfigError or RegistryError when it cannot begin. A store that does not answer is no
    reason not to begin.
    """
    async with AsyncExitStack() as stack:
        if settings.store.startswith(_EMBEDDED):
            await stack.enter_async_context(_embedded_store(settings))
        store = await _open_store(settings)
        registry = open_registry(
            settings.registry_url,
            namespace=settings.namespace,
            timeout=REGISTRY_TIMEOUT,
            coordinator=coordinator_name(settings),
        )
        await registry.open()
        stack.push_async_callback(registry.aclose)
        clocks = Clocks(clock_of_loop(), time)
        access = Access(registry.tokens, clocks.wall, clocks.monotonic)
        await access.refresh()
        await check_api(settings, has_tokens=access.locked)
        roll = make_roll(settings, store, clocks)
        async for entries in registry.load():
            roll.restore(entries)
        newest = await registry.newest()
        clock = careful_clock(newest, clocks)
        keys = fleet_keys(settings, roll)
        sweepers = make_sweepers(settings, store, roll, keys.signing if keys else None)
        writer = RegistryWriter(
            roll, registry, history=timedelta(days=settings.history_days), clock=clock
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        recorder = await recorder_of(settings, store, roll.view)
        if recorder is not None:
            tasks.start_soon(lasting, "trace", recorder.run)
        for index, sweeper in enumerate(sweepers):
            tasks.start_soon(sweeper.run, partial(_take, roll, recorder, index))
        tasks.start_soon(writer.run)
        tasks.start_soon(lasting, "free memory", keep_small)
        office = make_office(settings, store, registry, roll, writer, sweepers)
        office.access = access
        tasks.start_soon(lasting, "incidents", office.watch.run)
        farewell = LeftReaper(roll.view, office, settings.forget_left, clock)
        tasks.start_soon(lasting, "forget who left", farewell.run)
        if store.listing:
            unlisted = UnlistedReaper(roll.view, office, lambda: roll.view.down_time)
            tasks.start_soon(lasting, "forget whom Nova lists no more", unlisted.run)
            watch = partial(_watch_more, settings, roll, recorder, sweepers, tasks)
            tasks.start_soon(lasting, "new cells", partial(_look_for_cells, store, watch))
        if registry.shared:
            tasks.start_soon(lasting, "peers", Peers(registry, office).run)
            tasks.start_soon(lasting, "tokens", access.run)
        office.adopt = partial(_adopt, roll, writer, farewell, recorder)
        if keys is not None:
            tasks.start_soon(lasting, "renewed keys", partial(keep_looking, keys.file))
            office.renew = partial(keys.file.look, patient=False)
        yield office


_EMBEDDED = ("embedded:", "embedded+tls:")

LIVE = (
    *("service_down_time", "storm_min", "storm_fraction", "storm_hold"),
    *("history_days", "forget_left"),
)
"""Options that a coordinator changes while it runs."""


def _adopt(
    roll: Roll,
    writer: RegistryWriter,
    farewell: LeftReaper,
    recorder: Recorder | None,
    settings: Settings,
) -> None:
    """Go by the :data:`LIVE` options of ``settings`` from now on."""
    roll.judge_by(make_rules(settings))
    writer.history = timedelta(days=settings.history_days)
    farewell.after = settings.forget_left
    if recorder is not None:
        recorder.adopt(settings)


def careful_clock(newest: datetime | None, clocks: Clocks) -> DeletionClock:
    """Return the clock to delete by, where the newest line of history is from ``newest``."""
    at = None if newest is None else newest.timestamp()
    return DeletionClock(at, clocks.wall(), clocks.monotonic())


async def _take(roll: Roll, recorder: Recorder | None, index: int, swept: SweepOutcome) -> None:
    for _ in roll.steps(index, swept):
        await anyio.lowlevel.checkpoint()
    if recorder is not None:
        for _ in recorder.note(index, swept):
            await anyio.lowlevel.checkpoint()


def make_roll(settings: Settings, store: Store, clocks: Clocks) -> Roll:
    """Make an empty roll by these settings."""
    return Roll(
        make_rules(settings),
        store.shard_names,
        namespace=settings.namespace,
        places=Places(store.place, store.replicas, store.listing, listed_in(store)),
        sweep_period=settings.sweep_period,
        sweep_timeout=settings.effective_sweep_timeout,
        clocks=clocks,
        members_limit=settings.members_limit,
    )


def listed_in(store: Store) -> Callable[[str], bool]:
    """Return what says of a group whether the store itself lists its members, as Nova does."""
    if len(store.listing) == len(store.shard_names):
        return lambda group: True
    return is_novas if store.listing else lambda group: False


def make_rules(settings: Settings) -> Rules:
    """Make the rules that the detector goes by."""
    return Rules(
        service_down_time=settings.service_down_time,
        interval=settings.interval,
        push_timeout=partial(_push_timeouts, settings),
        storm_min=settings.storm_min,
        storm_fraction=settings.storm_fraction,
        storm_hold=settings.storm_hold_seconds,
        signed=settings.signatures_in_force == "require",
        queued=settings.nova_url is not None,
    )


def _push_timeouts(settings: Settings, intervals: Seconds) -> Seconds:
    """Return :meth:`Settings.push_timeout_for` of many intervals, or how long services of Nova wait."""
    if settings.nova_url is not None:
        return np.full(len(intervals), parse_url(settings.nova_url).rpc_response_timeout)
    if settings.push_timeout is not None:
        return np.full(len(intervals), settings.push_timeout)
    return np.minimum(USUAL_PUSH_TIMEOUT, PUSH_SHARE * intervals)


def make_sweepers(
    settings: Settings, store: Store, roll: Roll, signing: Signing | None = None, first: int = 0
) -> list[Sweeper]:
    """Make one sweeper for each shard, from the one numbered ``first`` on.

    A canary gets the time that nearly all agents give their beats.
    """
    name = coordinator_name(settings)
    return [
        Sweeper(
            open_reader(store, index, name, signing),
            member_id(settings.namespace, "", name),
            period=settings.sweep_period,
            timeout=settings.effective_sweep_timeout,
            canary_timeout=partial(roll.view.canary_time, index),
            down_time=lambda: roll.view.down_time,
            wall=roll.view.clocks.wall,
        )
        for index in range(first, len(store.shard_names))
    ]


def fleet_keys(settings: Settings, roll: Roll) -> FleetKeyFile | None:
    """Return the keys that beats are checked with; None where signatures are off.

    Raises ConfigError where there is no fleet key, or it cannot be read.
    """
    file = renewable_fleet_keys(settings)
    if file is None:
        return None
    return FleetKeyFile(file, settings, coordinator_name(settings), roll.view)


def make_office(
    settings: Settings,
    store: Store,
    registry: Registry,
    roll: Roll,
    recorder: RegistryWriter,
    sweepers: list[Sweeper],
) -> CoordinatorService:
    """Make the desk of a coordinator from these parts."""
    identity = _identity(settings, store, registry, roll.view.clocks)
    return CoordinatorService(roll, registry, recorder, identity, _retire(roll, sweepers))


def coordinator_name(settings: Settings) -> str:
    """Return what tells this coordinator from others on the same store: its host and its port.

    One that nobody asks has none, and is the only one of its kind on its host.
    """
    without = "unix" if settings.listen else "shadow"
    port = settings.listen_addresses[0][1] if settings.listen_addresses else without
    return f"{gethostname()}-{port}"


async def _open_store(settings: Settings) -> Store:
    """Return the store that agents beat to, the one of Nova's that is watched, or both."""
    store = _opened(settings, settings.store)
    if settings.nova_url is None:
        return store
    from musterd_coordinator.sweep.nova.cells import watched  # only where there is such a store

    rhythm = Rhythm(settings.interval, settings.sweep_period)
    listing = store if settings.watch is None else _opened(settings, settings.watch)
    if settings.trace_dir is not None:
        listing = timed(listing)
    nova = await watched(listing, rhythm)
    if settings.watch is None:
        return nova
    return beside(store, nova, signed=settings.signatures_in_force == "require")


async def _look_for_cells(store: Store, watch: Callable[[Store], None]) -> None:
    from musterd_coordinator.sweep.nova.newcells import NewCells  # likewise

    await NewCells(store, watch).run()


def _watch_more(
    settings: Settings,
    roll: Roll,
    recorder: Recorder | None,
    sweepers: list[Sweeper],
    tasks: TaskGroup,
    store: Store,
) -> None:
    """Sweep all shards of ``store`` that it has more than there are ``sweepers``."""
    first = len(sweepers)
    roll.add_shards(store.shard_names[first:])
    if recorder is not None:
        recorder.add_shards(store.shard_names[first:])
    sweepers += make_sweepers(settings, store, roll, first=first)
    for index, sweeper in enumerate(sweepers[first:], first):
        tasks.start_soon(sweeper.run, partial(_take, roll, recorder, index))


def _opened(settings: Settings, url: str) -> Store:
    return open_store(
        url,
        namespace=settings.namespace,
        timeout=settings.effective_sweep_timeout,
        beat_ttl=settings.beat_ttl,
        tls=own_tls(settings) if url.startswith(_EMBEDDED) else client_tls(settings),
    )


@asynccontextmanager
async def _embedded_store(settings: Settings) -> AsyncIterator[None]:
    from musterd.stores.table.table import Table
    from musterd_coordinator.memcache.server import (  # only where there is no store
        ClientLimits,
        serve,
    )

    scheme, _, address = settings.store.partition("://")
    host, port = host_and_port(address, default_port=11311)
    await check_beats(settings, "the embedded store", host, by_tls=scheme.endswith("+tls"))
    limits = ClientLimits(connections=for_embedded_store(allowed()))
    tls = _tls_of_embedded(settings) if scheme.endswith("+tls") else None
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(host, port, Table(), limits, tls=tls))
        if tls is not None:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(lasting, "renewed certificates", partial(keep_looking, tls))
        log.info(
            "store embedded",
            address=f"{host}:{server.port}",
            note="for small fleets and trying it out: beats pause while this coordinator is away",
        )
        yield


def _tls_of_embedded(settings: Settings) -> Tls:
    tls = server_tls(settings)
    if tls is None:
        raise ConfigError(
            "the store is embedded+tls://, and there is no certificate to serve it with: name one in"
            " tls_cert_file and tls_key_file"
        )
    tls.context()
    return tls


def _identity(settings: Settings, store: Store, registry: Registry, clocks: Clocks) -> Identity:
    return Identity(
        name=coordinator_name(settings),
        store=store.url,
        registry=located(registry.url),
        started=wall_instant(clocks.wall()),
        sweep_period=settings.sweep_period,
        signatures=settings.signatures_in_force,
    )


def located(registry: str) -> str:
    """Return a registry's URL with the whole path of its file: it may be looked for from elsewhere."""
    scheme, separator, path = registry.partition(":///")
    return f"{scheme}{separator}{Path(path).absolute()}" if scheme == "sqlite" else registry


def _retire(roll: Roll, sweepers: list[Sweeper]) -> Callable[[Sequence[Member]], Awaitable[None]]:
    """Return what removes members from all shards; one that is away is left to its expiry."""
    away = [Seldom("members not retired", roll.view.clocks.monotonic) for _ in sweepers]

    async def from_shard(index: int, members: Sequence[Member]) -> None:
        sweeper = sweepers[index]
        for at, member in enumerate(members):
            try:
                with anyio.fail_after(RETIRE_TIMEOUT):
                    await sweeper.retire(member)
            except (StoreError, TimeoutError) as error:
                left = len(members) - at
                away[index].warn(shard=sweeper.reader.name, reason=str(error), left=left)
                return

    async def retire(members: Sequence[Member]) -> None:
        placed: dict[int, list[Member]] = {}
        for member in members:
            for index in roll.view.shards_of(member.group, member.name):
                placed.setdefault(index, []).append(member)
        tasks: TaskGroup
        async with anyio.create_task_group() as tasks:
            for index, theirs in placed.items():
                tasks.start_soon(from_shard, index, theirs)

    return retire
