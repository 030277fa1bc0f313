"""The daemons of the control plane alike end on a signal and keep systemd informed."""

import signal
from collections.abc import Awaitable, Callable

import anyio
import structlog

from musterd.systemd import Systemd

log = structlog.get_logger(__name__)

STATUS_PERIOD = 5.0

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a task that failed begins again."""


async def stop_on_signal(event: str, scope: anyio.CancelScope, systemd: Systemd) -> None:
    """Cancel ``scope`` on SIGTERM or SIGINT; ``event`` is what the log says then."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        number = await anext(signals)
        log.info(event, signal=signal.Signals(number).name)
        systemd.notify(STOPPING="1", STATUS="stopping")
        scope.cancel()


START_WORDS = {"EXTEND_TIMEOUT_USEC": "60000000", "STATUS": "starting: reads its registry"}
"""A start takes as long as there are members: it is given up only when the loop is stuck."""


async def keep_starting(systemd: Systemd) -> None:
    """Tell for ever that this daemon is starting still. Run it on the loop that does the work."""
    while True:
        systemd.notify(**START_WORDS)
        await anyio.sleep(STATUS_PERIOD)


async def keep_telling(systemd: Systemd, status: Callable[[], str]) -> None:
    """Tell for ever a line of status, with the watchdog's ping.

    Run it on the loop that does the work, so that one that is stuck is restarted. A status that
    cannot be told is logged once and told again: it is not worth a daemon.
    """
    line = _Line(status)
    period = min(STATUS_PERIOD, (systemd.watchdog or STATUS_PERIOD) / 2)
    while True:
        systemd.notify(WATCHDOG="1", STATUS=line.next())
        await anyio.sleep(period)


async def lasting(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work``, and again whenever it fails: for what is not worth a daemon.

    No thread or file that can be had, a fault of our own: each is logged, and may be over later.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await work()
        except Exception:
            log.exception("task failed", task=what, again_in=pause)
        await anyio.sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)


class _Line:
    """A `_Line` is the status in a line, whatever happens where that is made."""

    def __init__(self, status: Callable[[], str]) -> None:
        self._status = status
        self._failed = False

    def next(self) -> str:
        try:
            line = self._status()
        except Exception as error:
            if not self._failed:
                log.exception("status failed", note="everything else goes on")
            self._failed = True
            return f"at work; its status failed: {str(error) or type(error).__name__}"
        self._failed = False
        return line
