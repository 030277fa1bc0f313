"""What takes longer on a busy machine is given longer, and what hangs is still found."""

import subprocess
import time

import anyio
import anyio.lowlevel
import pytest

from musterd.testing.busy import Patience, allowed, allowed_now, in_time, status_of


@pytest.mark.parametrize(
    ("load", "processors", "seconds"),
    [(0.0, 2, 30.0), (2.0, 2, 30.0), (4.0, 2, 60.0), (20.0, 2, 300.0), (20.0, 64, 30.0)],
)
def test_a_busy_machine_is_given_as_much_more_as_it_has_more_to_do(
    load: float, processors: int, seconds: float
) -> None:
    assert allowed(30.0, load, processors) == seconds


def test_this_one_is_given_no_less_than_an_idle_one() -> None:
    assert allowed_now(30.0) >= 30.0


def test_patience_ends() -> None:
    patience, began = Patience(0.05), time.monotonic()
    while not patience.is_over:
        time.sleep(0.001)
    assert time.monotonic() - began >= 0.05


async def test_what_hangs_is_ended_and_not_before_its_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError), in_time(0.05):
        await anyio.sleep_forever()
    assert time.monotonic() - began >= 0.05


async def test_what_ends_in_time_leaves_no_limit_behind() -> None:
    with in_time(0.05):
        await anyio.lowlevel.checkpoint()
    await anyio.sleep(0.1)


async def test_who_is_told_to_stop_is_not_late() -> None:
    with anyio.move_on_after(0.01) as stopped, in_time(60.0):
        await anyio.sleep_forever()
    assert stopped.cancelled_caught


def test_a_process_that_goes_on_is_too_late() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            status_of(process, 0.05)
        process.kill()


def test_a_process_that_ends_has_a_status() -> None:
    with subprocess.Popen(["false"]) as process:
        assert status_of(process, 60.0) == 1
