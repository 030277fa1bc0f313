"""`musterd coordinator`: runs until it is told to stop."""

import os
import signal

import anyio
import structlog

from musterd.settings import Settings
from musterd.systemd import Systemd
from musterd_coordinator.http.app import make_app
from musterd_coordinator.http.server import serve_http
from musterd_coordinator.office import Office
from musterd_coordinator.service import running

log = structlog.get_logger(__name__)

STATUS_PERIOD = 5.0


def run(settings: Settings) -> int:
    """Run a coordinator until SIGTERM or SIGINT; the exit status.

    Raises ConfigError or RegistryError when it cannot begin.
    """
    anyio.run(serve, settings, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings) -> None:
    """A whole coordinator: sweeps, registry and HTTP."""
    systemd = Systemd.from_environment(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(_stop_on_signal, stopper.cancel_scope, systemd)
        async with running(settings) as office, anyio.create_task_group() as tasks:
            urls: list[str] = await tasks.start(serve_http, make_app(office), settings.listen)
            _say_started(office, urls)
            await _tell_systemd(systemd, office)


def _say_started(office: Office, urls: list[str]) -> None:
    status = office.status()
    log.info(
        "coordinator started",
        listen=" ".join(urls),
        store=status.store,
        registry=status.registry,
        members=status.members,
    )


async def _stop_on_signal(scope: anyio.CancelScope, systemd: Systemd) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("coordinator stopping", signal=signal.Signals(number).name)
            systemd.tell(STOPPING="1", STATUS="stopping")
            scope.cancel()


async def _tell_systemd(systemd: Systemd, office: Office) -> None:
    """READY at once; then, for ever, a line of status and the watchdog's ping.

    Both come from the loop that sweeps and answers, so that one that is stuck is restarted.
    """
    systemd.tell(READY="1")
    period = min(STATUS_PERIOD, (systemd.watchdog or STATUS_PERIOD) / 2)
    while True:
        status = office.status()
        listening = sum(shard.listening for shard in status.shards)
        shards = f"listening to {listening} of {len(status.shards)} shards"
        systemd.tell(WATCHDOG="1", STATUS=f"{shards}, {status.members} members")
        await anyio.sleep(period)
