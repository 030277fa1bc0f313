"""`musterd relay`: runs until it is told to stop."""

import os
import signal

import anyio
import structlog

from musterd.settings import Settings
from musterd.systemd import Systemd
from musterd_coordinator.relay.service import Relay, running

log = structlog.get_logger(__name__)

STATUS_PERIOD = 5.0


def run(settings: Settings) -> int:
    """Run a relay until SIGTERM or SIGINT; the exit status. Raises ConfigError."""
    anyio.run(serve, settings, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings) -> None:
    """A whole relay."""
    systemd = Systemd.from_environment(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(_stop_on_signal, stopper.cancel_scope, systemd)
        async with running(settings) as relay, anyio.create_task_group() as tasks:
            log.info(
                "relay started",
                listen=relay.server.address,
                store=relay.store,
                most_connections=relay.server.limits.connections,
            )
            tasks.start_soon(_tell_ready, systemd, relay)
            await _tell_status(systemd, relay)


async def _stop_on_signal(scope: anyio.CancelScope, systemd: Systemd) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("relay stopping", signal=signal.Signals(number).name)
            systemd.tell(STOPPING="1", STATUS="stopping")
            scope.cancel()


async def _tell_ready(systemd: Systemd, relay: Relay) -> None:
    await relay.reached()
    systemd.tell(READY="1")
    log.info("store reached", store=relay.store)


async def _tell_status(systemd: Systemd, relay: Relay) -> None:
    """For ever, a line of status and the watchdog's ping, from the loop that serves agents."""
    period = min(STATUS_PERIOD, (systemd.watchdog or STATUS_PERIOD) / 2)
    stored, since = 0, anyio.current_time()
    while True:
        now, total = anyio.current_time(), relay.gauges.stored
        rate = (total - stored) / (now - since) if now > since else 0.0
        stored, since = total, now
        systemd.tell(WATCHDOG="1", STATUS=summary(relay, rate))
        await anyio.sleep(period)


def summary(relay: Relay, rate: float) -> str:
    """How it goes, in one line for an operator; ``rate`` is beats stored a second."""
    gauges = relay.gauges
    refused = gauges.beats.refused + gauges.newcomers.refused
    text = (
        f"{relay.server.connections} connections, {rate:.0f} beats/s,"
        f" last batch {gauges.seconds * 1000:.0f} ms, {refused} refused"
    )
    return f"{text}; store lost: {gauges.reason}" if gauges.reason else text
