"""What can happen to the embedded store: it goes with its coordinator, and the answers with both."""

from collections.abc import Iterator

import pytest

from musterd.testing.processes import held_port
from tests.faults.conftest import StartLab
from tests.faults.lab import SERVICE_DOWN_TIME, Lab
from tests.faults.locks import Open

KIND = "embedded"
RECORDED = 1.5  # seconds after which the registry has whoever came


@pytest.fixture
def url(locks: Open) -> Iterator[str]:
    """Where the store will be."""
    with held_port() as port:
        yield locks.embedded(port)


def test_coordinator_restarted(url: str, start_lab: StartLab) -> None:
    lab: Lab = start_lab(url, kind=KIND)
    lab.last(RECORDED)
    with lab.fault("coordinator killed and restarted"):
        lab.coordinator.kill()
        lab.coordinator.start()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_coordinator_restarted_after_a_long_absence(url: str, start_lab: StartLab) -> None:
    lab: Lab = start_lab(url, kind=KIND)
    lab.last(RECORDED)
    with lab.fault("coordinator away 10 s, then back"):
        lab.coordinator.kill()
        lab.last(2.5 * SERVICE_DOWN_TIME)
        lab.coordinator.start()
    lab.verify()


@pytest.mark.full_only
def test_coordinator_restarted_again_and_again(url: str, start_lab: StartLab) -> None:
    lab: Lab = start_lab(url, kind=KIND)
    lab.last(RECORDED)
    with lab.fault("coordinator killed four times, once in 3 s"):
        for _ in range(4):
            lab.coordinator.kill()
            lab.coordinator.start()
            lab.last(3)
    lab.verify()
