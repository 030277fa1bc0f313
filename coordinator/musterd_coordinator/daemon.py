"""What the daemons of the control plane do alike: end on a signal, keep systemd informed."""

import signal
from collections.abc import Callable

import anyio
import structlog

from musterd.systemd import Systemd

log = structlog.get_logger(__name__)

STATUS_PERIOD = 5.0


async def stop_on_signal(event: str, scope: anyio.CancelScope, systemd: Systemd) -> None:
    """Cancel ``scope`` on SIGTERM or SIGINT; ``event`` is what the log says then."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info(event, signal=signal.Signals(number).name)
            systemd.tell(STOPPING="1", STATUS="stopping")
            scope.cancel()


async def keep_telling(systemd: Systemd, status: Callable[[], str]) -> None:
    """For ever, a line of status and the watchdog's ping.

    Run it on the loop that does the work, so that one that is stuck is restarted.
    """
    period = min(STATUS_PERIOD, (systemd.watchdog or STATUS_PERIOD) / 2)
    while True:
        systemd.tell(WATCHDOG="1", STATUS=status())
        await anyio.sleep(period)
