"""Nova's own code writes the rows that are watched, and no living host is called down in any trouble.

The table of what was seen, which docs/watching.md has, is left in build/nova-reports.md.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from benchmarks.simulation.cells import detection_bound

from musterd.testing.busy import allowed_now
from tests.nova.cell import CROWDS, VICTIM, NovaCell, running_cell
from tests.nova.observing import Seen

REPORT = Path(__file__).parents[2] / "build" / "nova-reports.md"
HEAD = (
    "| fault | living hosts called down | by Nova itself | nobody judged | deaths found within | bound |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
TIME_LIMIT = 420.0  # seconds: two minutes of trouble at most, recovery, and the start of the cell
ENOUGH = 20  # answers of the coordinator, or nothing was seen
LATER = 1.0  # seconds until an observer has it

pytestmark = pytest.mark.time_limit(TIME_LIMIT)


class Trouble(NamedTuple):
    """What happens to a cell, and whether a host dies meanwhile that is to be found after it."""

    befall: Callable[[NovaCell], None]
    dies: bool = True


@pytest.fixture(scope="module")
def cell(python_of_nova: Path) -> Iterator[NovaCell]:
    """A cell that is well, for all tests of this module: each leaves it so."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(HEAD)
    with running_cell(python_of_nova) as made:
        yield made


def _die(cell: NovaCell) -> None:
    time.sleep(1.0)
    cell.die((VICTIM,))


def _queue_away(cell: NovaCell) -> None:
    cell.rabbit.kill()
    _die(cell)
    time.sleep(120.0)
    cell.rabbit.start()


def _queue_away_and_coordinator_restarted(cell: NovaCell) -> None:
    cell.rabbit.kill()
    _die(cell)
    cell.coordinator.kill()
    cell.coordinator.start()
    time.sleep(15.0 * cell.tempo.interval)
    cell.rabbit.start()


def _queue_restarted(cell: NovaCell) -> None:
    cell.rabbit.kill()
    cell.rabbit.start()
    _die(cell)


def _queue_hung(cell: NovaCell) -> None:
    cell.rabbit.pause()
    _die(cell)
    time.sleep(15.0 * cell.tempo.interval)
    cell.rabbit.resume()


def _conductors_restarted(cell: NovaCell) -> None:
    for conductor in cell.conductors.values():
        conductor.kill()
    _die(cell)
    for conductor in cell.conductors.values():
        conductor.start()


def _conductor_hung(cell: NovaCell) -> None:
    hung = cell.conductors["ctl2"]
    hung.pause()
    _die(cell)
    time.sleep(30.0 * cell.tempo.interval)
    hung.resume()


def _database_failed_over(cell: NovaCell) -> None:
    cell.maria.stop()
    _die(cell)
    time.sleep(6.0 * cell.tempo.interval)
    cell.maria.start()


def _database_hung(cell: NovaCell) -> None:
    cell.maria.pause()
    _die(cell)
    time.sleep(6.0 * cell.tempo.interval)
    cell.maria.resume()


def _computes_restarted(cell: NovaCell) -> None:
    for crowd in cell.crowds.values():
        crowd.stop()
    for crowd in cell.crowds.values():
        crowd.start()


TROUBLES = {
    "RabbitMQ away for 120 s": Trouble(_queue_away),
    "RabbitMQ away for 15 intervals, and the coordinator restarted meanwhile": Trouble(
        _queue_away_and_coordinator_restarted
    ),
    "RabbitMQ killed and restarted": Trouble(_queue_restarted),
    "RabbitMQ hung for 15 intervals": Trouble(_queue_hung),
    "all conductors killed and restarted": Trouble(_conductors_restarted),
    "1 of 3 conductors hung for 30 intervals, then goes on": Trouble(_conductor_hung),
    "database stopped and started 6 intervals later": Trouble(_database_failed_over),
    "database hung for 6 intervals": Trouble(_database_hung),
    "all computes restarted at once": Trouble(_computes_restarted, dies=False),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_living_host_is_called_down(trouble: str, cell: NovaCell) -> None:
    """One that dies meanwhile is found as soon as the way is open again, and the allowance over."""
    seen, scenario = cell.observer.begin(), cell.tempo.scenario
    TROUBLES[trouble].befall(cell)
    if TROUBLES[trouble].dies:
        cell.observer.until_found([VICTIM])
        cell.come_back((VICTIM,))
    else:
        cell.until_well()
    # As for many that die at once, less the time for which the way was in doubt.
    allowance = 2 * scenario.interval + scenario.rpc_response_timeout + 4 * scenario.sweep_period
    _report(trouble, seen, allowance, since_heard=True)


DEATHS = {
    "1 host dies": CROWDS[:1],
    "13 hosts die at once": CROWDS[1:2],
    "27 hosts die at once": CROWDS[:3],
}


@pytest.mark.parametrize("deaths", DEATHS)
def test_who_dies_is_found_in_time_and_nobody_else(deaths: str, cell: NovaCell) -> None:
    seen = cell.observer.begin()
    dead = [host for crowd in DEATHS[deaths] for host in crowd]
    cell.die(*DEATHS[deaths])
    cell.observer.until_found(dead)
    assert seen.found_at.keys() == set(dead)
    cell.come_back(*DEATHS[deaths])
    _report(deaths, seen, detection_bound(cell.tempo.scenario, len(dead)), since_heard=False)


def _report(fault: str, seen: Seen, bound: float, *, since_heard: bool) -> None:
    """Write down what was seen, and hold it against the promises."""
    took = [
        at - (max(seen.died_at[host], seen.heard_since(at)) if since_heard else seen.died_at[host])
        for host, at in seen.found_at.items()
    ]
    found = f"{max(took):.0f} s" if took else ""
    limit = f"{bound:.0f} s" if took else ""
    with REPORT.open("a") as report:
        report.write(
            f"| {fault} | {len(seen.accused)} | {len(seen.by_nova)} | {seen.doubted:.0f} s"
            f" | {found} | {limit} |\n"
        )
    assert len(seen.samples) > ENOUGH
    assert not seen.accused
    assert all(seconds <= bound + allowed_now(LATER) for seconds in took), took
