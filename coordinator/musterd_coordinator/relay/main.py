"""`musterd relay` runs until it is told to stop."""

import os
from collections.abc import Callable

import anyio
import structlog

from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings
from musterd.systemd import Systemd
from musterd_coordinator.limits.descriptors import allow_all
from musterd_coordinator.process.daemon import keep_telling, stop_on_signal
from musterd_coordinator.relay.service import RelayService, running

log = structlog.get_logger(__name__)


def run(settings: Settings, reread: Reread | None = None) -> int:
    """Run a relay until SIGTERM or SIGINT; return the exit status. Raises ConfigError.

    ``reread`` loads the settings anew when SIGHUP asks for it.
    """
    allow_all()
    anyio.run(serve, settings, reread, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings, reread: Reread | None = None) -> None:
    """Run a whole relay."""
    systemd = Systemd.from_environment(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(stop_on_signal, "relay stopping", stopper.cancel_scope, systemd)
        async with running(settings) as relay, anyio.create_task_group() as tasks:
            log.info(
                "relay started",
                listen=relay.server.address,
                store=relay.store,
                metrics="off" if relay.page is None else relay.page.address,
                most_connections=relay.server.limits.connections,
            )
            tasks.start_soon(_tell_ready, systemd, relay)
            if reread:
                reloading = Reloading(settings, reread, Role.RELAY, renew=relay.renew)
                tasks.start_soon(reloading.run, systemd)
            await keep_telling(systemd, _summaries(relay))


async def _tell_ready(systemd: Systemd, relay: RelayService) -> None:
    await relay.reached()
    systemd.notify(READY="1")
    log.info("store reached", store=relay.store)


def _summaries(relay: RelayService) -> Callable[[], str]:
    """Return a call that gives :func:`summary` with the rate since the call before."""
    stored, since = 0, anyio.current_time()

    def next_one() -> str:
        nonlocal stored, since
        now, total = anyio.current_time(), relay.gauges.stored
        rate = (total - stored) / (now - since) if now > since else 0.0
        stored, since = total, now
        return summary(relay, rate)

    return next_one


def summary(relay: RelayService, rate: float) -> str:
    """Say how it goes, in one line for an operator; ``rate`` is beats stored a second."""
    gauges = relay.gauges
    refused = gauges.beats.refused + gauges.newcomers.refused
    text = (
        f"{relay.server.connections} connections, {rate:.0f} beats/s,"
        f" last batch {gauges.seconds * 1000:.0f} ms, {refused} refused"
    )
    return f"{text}; store lost: {gauges.reason}" if gauges.reason else text
