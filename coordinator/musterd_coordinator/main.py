"""`musterd coordinator` runs until it is told to stop."""

import gc
import os
import sys
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
from musterd_coordinator.process.garbage import settle
from musterd_coordinator.process.looplag import measure_lag
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import LIVE, running

log = structlog.get_logger(__name__)

TURN = 0.0005
"""Seconds that another thread may keep the loop waiting for the interpreter: ten times shorter than
Python's own. The registry's thread runs Python, and each time it has its turn answers wait."""


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
            tasks.start_soon(measure_lag, app.gauges.loop.observe)
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
