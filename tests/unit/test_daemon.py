"""What keeps a daemon alive beside its work."""

import errno
import signal
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import anyio
import pytest
import trio.testing
from structlog.testing import capture_logs

from musterd.systemd import Systemd
from musterd_coordinator.process.daemon import (
    LONGEST_PAUSE,
    STATUS_PERIOD,
    keep_starting,
    keep_telling,
    lasting,
    stop_on_signal,
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class _Listener(Systemd):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def notify(self, **words: str) -> None:
        assert words["WATCHDOG"] == "1"
        self.told.append(words["STATUS"])


async def test_a_start_goes_on_as_long_as_the_loop_does() -> None:
    class Told(Systemd):
        times = 0

        def notify(self, **words: str) -> None:
            assert int(words["EXTEND_TIMEOUT_USEC"]) > 2e6 * STATUS_PERIOD
            self.times += 1

    told = Told()
    with anyio.move_on_after(100 * STATUS_PERIOD - 1):
        await keep_starting(told)
    assert told.times == 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_all_and_is_told(number: signal.Signals) -> None:
    class Told(Systemd):
        words: Mapping[str, str] = {}

        def notify(self, **words: str) -> None:
            self.words = words

    before, told = signal.getsignal(number), Told()
    with anyio.fail_after(5), capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, "relay stopping", tasks.cancel_scope, told)
            await trio.testing.wait_all_tasks_blocked()
            assert signal.getsignal(number) != before
            signal.raise_signal(number)
            await anyio.sleep_forever()
    assert [(line["event"], line["signal"]) for line in lines] == [("relay stopping", number.name)]
    assert told.words["STOPPING"] == "1"
    assert signal.getsignal(number) == before


async def test_a_status_that_fails_ends_nothing_and_is_logged_once() -> None:
    faults: list[Exception | None] = [
        None,
        OSError(errno.EMFILE, "too many open files"),
        ValueError(),
        None,
        KeyError("x"),
    ]
    left = iter(faults)

    def status() -> str:
        if fault := next(left, None):
            raise fault
        return "fine"

    systemd = _Listener()
    with capture_logs() as lines, anyio.move_on_after(2.25 * STATUS_PERIOD):
        await keep_telling(systemd, status)
    assert systemd.told[0] == systemd.told[3] == "fine"
    assert "too many open files" in systemd.told[1]
    assert "ValueError" in systemd.told[2]
    assert len(systemd.told) == len(faults)
    assert [line["event"] for line in lines] == ["status failed", "status failed"]


async def test_a_task_that_fails_is_logged_and_begins_again() -> None:
    began: list[float] = []

    async def work() -> None:
        began.append(anyio.current_time())
        if len(began) < 12:
            raise OSError(errno.EMFILE, "too many open files")

    with capture_logs() as lines:
        await lasting("tidy", work)
    assert [(line["event"], line["task"]) for line in lines] == [("task failed", "tidy")] * 11
    pauses = [later - before for before, later in pairwise(began)]
    assert (pauses[0], pauses[-1]) == (1.0, LONGEST_PAUSE)
    assert sorted(pauses) == pauses
