"""`musterd coordinator` runs until it is told to stop."""

import gc
import os
import sys
from collections.abc import Callable
from functools import partial

import anyio
import structlog

from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings
from musterd.systemd import Systemd
from musterd.tls import Tls, server_tls
from musterd_coordinator.http.app import App, make_app
from musterd_coordinator.http.heads import hosts_of
from musterd_coordinator.http.limits import HttpLimits
from musterd_coordinator.http.server import serve_http
from musterd_coordinator.limits.descriptors import allow_all, allowed, for_callers
from musterd_coordinator.nova.beside import OwnDoor
from musterd_coordinator.process.daemon import keep_starting, keep_telling, lasting, stop_on_signal
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import LIVE, running

log = structlog.get_logger(__name__)

TURN = 0.0005
"""Seconds that another thread may keep the loop waiting for the interpreter: ten times shorter than
Python's own. The registry's thread runs Python, and each time it has its turn answers wait."""

SETTLE_POLL = 1.0
BUSY_START = 30.0
"""Seconds in which a start is taken to be busy with members, and makes little garbage."""

COLLECT_PERIOD = 3600.0
_NEVER = 1_000_000  # collections of the middle generation before one of the oldest


def run(settings: Settings, reread: Reread | None = None) -> int:
    """Run a coordinator until SIGTERM or SIGINT; return the exit status.

    ``reread`` loads the settings anew when SIGHUP asks for it. Raises
    ConfigError, RegistryError or CannotListen when it cannot begin.
    """
    allow_all()
    sys.setswitchinterval(TURN)
    gc.disable()  # until all members are known: see settle()
    anyio.run(serve, settings, reread, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings, reread: Reread | None = None) -> None:
    """Run a whole coordinator: sweeps, registry and HTTP."""
    systemd = Systemd.from_environment(os.environ)
    tls = server_tls(settings)
    if tls is not None:
        tls.context()
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(stop_on_signal, "coordinator stopping", stopper.cancel_scope, systemd)
        starting = anyio.CancelScope()

        async def keep_on_starting() -> None:
            with starting:
                await keep_starting(systemd)

        stopper.start_soon(keep_on_starting)
        async with running(settings) as office, anyio.create_task_group() as tasks:
            own = None if settings.nova_listen is None else OwnDoor(settings, office)
            if own is not None:
                await own.check()
            hosts = hosts_of(host for host, _ in settings.listen_addresses)
            hosts.allow(settings.allowed_hosts.split(","))
            app = make_app(
                *(office, office.access),
                hosts=hosts,
                limits=_limits(settings),
                anonymous_read=settings.anonymous_read,
                certificates=settings.tls_client_ca_file is not None,
                consul_group=settings.consul_group,
                agent_state_groups=settings.agent_state_group_names,
            )
            serving = partial(serve_http, app, settings.listen, tls=tls)
            urls: list[str] = await tasks.start(serving)
            _say_started(office, urls)
            starting.cancel()
            systemd.notify(READY="1")
            tasks.start_soon(lasting, "settle", partial(settle, lambda: office.ready))
            if own is not None:
                tasks.start_soon(own.run)
            if reread:
                again = reloading(settings, reread, office, app, tls, own)
                tasks.start_soon(again.run, systemd)
            await keep_telling(systemd, partial(_summary, office))


def _limits(settings: Settings) -> HttpLimits:
    connections = for_callers(allowed())
    return HttpLimits(connections, settings.connections_per_address)


def reloading(
    settings: Settings,
    reread: Reread,
    office: CoordinatorService,
    app: App,
    tls: Tls | None = None,
    own: OwnDoor | None = None,
) -> Reloading:
    """Return what SIGHUP does to a coordinator."""

    def apply(fresh: Settings) -> None:
        office.adopt(fresh)
        app.hosts.allow(fresh.allowed_hosts.split(","))
        app.login.anonymous_read = fresh.anonymous_read

    def renew() -> None:
        if tls is not None:
            tls.look(patient=False)
        if own is not None:
            own.renew()
        office.renew()

    live = [*LIVE, "allowed_hosts", "anonymous_read"]
    return Reloading(settings, reread, Role.COORDINATOR, live=live, apply=apply, renew=renew)


async def settle(
    is_ready: Callable[[], bool], *, poll: float = SETTLE_POLL, busy: float = BUSY_START
) -> None:
    """Keep the garbage collector off members until all are known, and then off what is kept of them.

    Collections take a tenth of the time while a million members are read and seated; once they are,
    looking through them took 70 ms, each time. They find nothing: what belongs to members is in no
    cycles. What is alive once all are known is never looked at again. Of what comes later, which
    may be a million names put in order for a list, all is looked at only once an hour, and what is
    young as often as ever. A start that takes longer than ``busy`` seconds is waiting for
    something, and makes garbage of its own meanwhile. ``is_ready`` is called every ``poll``
    seconds.
    """
    with anyio.move_on_after(busy):
        await _until(is_ready, poll)
    gc.enable()
    await _until(is_ready, poll)
    collect_seldom()
    while True:
        await anyio.sleep(COLLECT_PERIOD)
        gc.collect()


def collect_seldom() -> None:
    """Leave what is alive now out of all collections, and seldom look at all of what is old."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)


async def _until(is_ready: Callable[[], bool], poll: float) -> None:
    while not is_ready():  # noqa: ASYNC110  # that has no event of its own
        await anyio.sleep(poll)


def _say_started(office: CoordinatorService, urls: list[str]) -> None:
    status = office.status()
    log.info(
        "coordinator started",
        listen=" ".join(urls),
        store=status.store,
        registry=status.registry,
        members=status.members,
    )


def _summary(office: CoordinatorService) -> str:
    shards = office.shard_statuses()
    listening = sum(shard.listening for shard in shards)
    return f"listening to {listening} of {len(shards)} shards, {office.size} members"
