"""What can happen to those who watch."""

import signal

import pytest

from musterd.testing import keeper
from musterd.testing.servers import Memcached
from tests.faults.conftest import StartLab
from tests.faults.lab import DURING, SERVICE_DOWN_TIME

ONE = "one memcached"

# A coordinator whose event loop SIGUSR1 blocks, as a long computation in it would.
BLOCKABLE = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(10))
from musterd.cli import main
sys.exit(main())
"""


def test_coordinator_paused(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault(f"coordinator paused {4 * SERVICE_DOWN_TIME:g} s (SIGSTOP)"):
        lab.coordinator.pause()
        lab.last(4 * SERVICE_DOWN_TIME)
        lab.coordinator.resume()
    lab.verify()


@pytest.mark.full_only
def test_coordinator_loop_blocked(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE, program=["-c", BLOCKABLE])
    with lab.fault("coordinator's loop blocked 10 s"):
        keeper.send(lab.coordinator.pid, signal.SIGUSR1)
        lab.last(11)
    lab.verify()


@pytest.mark.full_only
def test_coordinator_restarted(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("coordinator killed and restarted at once"):
        lab.last(2)
        lab.coordinator.kill()
        lab.coordinator.start()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_coordinator_restarted_while_the_store_is_away(
    memcached: Memcached, start_lab: StartLab
) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("coordinator restarted while the store is away 12 s"):
        memcached.kill()
        lab.last(3)
        lab.coordinator.kill()
        lab.coordinator.start()
        lab.last(9)
        memcached.start()
    lab.verify()


@pytest.mark.full_only
def test_one_of_two_coordinators_paused(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    other, observer = lab.start_another()
    lab.wait(lambda: bool(observer.samples), 10, "both coordinators answering")
    with lab.fault("one of two coordinators paused 16 s"):
        other.pause()
        lab.last(4 * SERVICE_DOWN_TIME)
        other.resume()
    lab.verify()
    assert observer.samples[-1].listening


@pytest.mark.full_only
def test_two_coordinators_and_the_store_restarted(
    memcached: Memcached, start_lab: StartLab
) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    _, observer = lab.start_another()
    lab.wait(lambda: bool(observer.samples), 10, "both coordinators answering")
    with lab.fault("store restarted under two coordinators"):
        memcached.kill()
        memcached.start()
        lab.last(3)
    if lab.locks.are_on:  # its last beat may be signed for what only the other had written yet
        lab.overwritten = [DURING]
    lab.verify()
