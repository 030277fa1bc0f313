"""`musterd coordinator`: runs until it is told to stop."""

import signal

import anyio
import structlog
from anyio.abc import CancelScope, TaskGroup

from musterd import systemd
from musterd.config import Settings
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
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        async with running(settings) as office, anyio.create_task_group() as inner:
            app = make_app(office)
            port: int = await inner.start(serve_http, app, settings.listen)
            log.info(
                "coordinator started",
                listen=settings.listen.rpartition(":")[0] + f":{port}",
                store=office.status().store,
                members=office.status().members,
            )
            inner.start_soon(_tell_systemd, office)
            await _until_cancelled(inner)


async def _until_cancelled(tasks: TaskGroup) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        tasks.cancel_scope.cancel()


async def _stop_on_signal(scope: CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("coordinator stopping", signal=signal.Signals(number).name)
            systemd.notify("STOPPING=1")
            scope.cancel()
            return


async def _tell_systemd(office: Office) -> None:
    """READY at once, then a line of status, and the watchdog's pings from the loop that serves."""
    systemd.notify("READY=1")
    while True:
        status = office.status()
        listening = sum(shard.listening for shard in status.shards)
        systemd.notify(
            "WATCHDOG=1",
            f"STATUS=listening to {listening} of {len(status.shards)} shards,"
            f" {status.members} members",
        )
        await anyio.sleep(systemd.watchdog_period(STATUS_PERIOD))
