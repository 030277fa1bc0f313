"""Cells of Nova that are watched: whatever breaks between hosts and database, nobody alive is accused."""

from dataclasses import replace

import pytest
from benchmarks.simulation.cells import CellScenario, Trouble, detection_bound, simulate_cell
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd_coordinator.sweep.nova.herd import tolerated
from tests.examples import examples, seeds

SIZES = (1, 2, 5, 12, 30, 100, 1000)
WARM = 400.0  # seconds by which even two hosts have shown that their way is open
DURATION = 1100.0

TROUBLES = {
    "the queue is away for two minutes": [Trouble(WARM, WARM + 120, lost=1.0)],
    "the queue is away for ten minutes": [Trouble(WARM, WARM + 600, lost=1.0)],
    "all conductors are restarted": [Trouble(WARM, WARM + 15, lost=1.0)],
    "one of three conductors hangs": [Trouble(WARM, WARM + 300, lost=1 / 3)],
    "one of two conductors hangs": [Trouble(WARM, WARM + 300, lost=1 / 2)],
    "the database fails over": [Trouble(WARM, WARM + 30, lost=1.0, told=True, database=True)],
    "all hosts are restarted": [Trouble(WARM, WARM + 45, restart=True)],
    "the queue comes and goes": [
        Trouble(WARM + 50 * turn, WARM + 50 * turn + 25, lost=1.0) for turn in range(8)
    ],
    "everything at once": [
        Trouble(WARM, WARM + 90, lost=1.0),
        Trouble(WARM + 60, WARM + 120, lost=1.0, told=True, database=True),
        Trouble(WARM + 130, WARM + 400, lost=1 / 3),
        Trouble(WARM + 410, WARM + 440, restart=True),
    ],
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("hosts", SIZES)
def test_nobody_alive_is_accused(hosts: int, trouble: str) -> None:
    scenario = CellScenario(hosts, TROUBLES[trouble], DURATION)
    for seed in seeds(2):
        outcome = simulate_cell(replace(scenario, seed=seed))
        assert not outcome.accused
        assert outcome.deaf > 0 or hosts == 1


@pytest.mark.parametrize("hosts", SIZES[1:])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_who_dies_is_found_within_the_closed_form(hosts: int, share: float) -> None:
    dead = min(hosts - 1, max(1, round(share * hosts)))
    scenario = CellScenario(hosts, [Trouble(WARM, deaths=dead)], 1300.0)
    outcome = simulate_cell(scenario)
    assert not outcome.accused
    assert len(outcome.found) == dead
    assert max(outcome.found.values()) <= detection_bound(scenario, dead)


def test_the_closed_form_is_no_more_than_it_takes() -> None:
    scenario = CellScenario(100, [Trouble(WARM, deaths=50)])
    assert max(simulate_cell(scenario).found.values()) > detection_bound(scenario, 50) - 4


def test_a_cell_that_dies_as_a_whole_looks_like_a_queue_that_is_away() -> None:
    outcome = simulate_cell(CellScenario(30, [Trouble(WARM, deaths=30)], 3000.0))
    assert not outcome.found
    assert outcome.deaf > 2500


def test_mass_silences_are_held_besides() -> None:
    scenario = CellScenario(100, [Trouble(WARM, deaths=50)], storm_min=5)
    outcome = simulate_cell(scenario)
    assert len(outcome.found) == 50
    hold = 2 * scenario.service_down_time
    assert max(outcome.found.values()) <= detection_bound(scenario, 50) + hold


def test_a_death_while_the_queue_is_away_is_found_after_it() -> None:
    scenario = CellScenario(
        100, [Trouble(WARM, WARM + 120, lost=1.0), Trouble(WARM + 30, deaths=7)]
    )
    outcome = simulate_cell(scenario)
    assert (len(outcome.found), outcome.accused) == (7, {})
    # Hosts that lost a message in the last moment come back when they waited for its answer.
    assert max(outcome.found.values()) <= 90 + 60 + detection_bound(scenario, 7)


@pytest.mark.parametrize("hosts", [30, 100, 1000, 10_000])
def test_as_few_may_fall_silent_without_a_doubt_as_lose_two_messages_once_in_a_hundred_faults(
    hosts: int,
) -> None:
    """With a loss that is as often as nobody notices, for two minutes: see docs/watching.md."""
    scenario = CellScenario(hosts)
    promises = hosts * scenario.pace.muted / scenario.interval
    unseen = tolerated(hosts) / promises
    lost_twice = hosts * 120 / scenario.interval * unseen**2
    assert lost_twice < 0.01


troubles = st.builds(
    lambda begin, lasts, kind: [
        Trouble(begin, begin + lasts, lost=1.0),
        Trouble(begin, begin + lasts, lost=1.0, told=True),
        Trouble(begin, begin + lasts, lost=1.0, told=True, database=True),
        Trouble(begin, begin + lasts, restart=True),
    ][kind],
    st.floats(0.0, 900.0),
    st.floats(12.0, 300.0),
    st.integers(0, 3),
)


@settings(max_examples=examples(120))
@given(hosts=st.integers(1, 60), some=st.lists(troubles, max_size=5), seed=st.integers(0, 1000))
def test_nobody_is_accused_whatever_closes_the_way_of_all(
    hosts: int, some: list[Trouble], seed: int
) -> None:
    assert not simulate_cell(CellScenario(hosts, some, DURATION, seed=seed)).accused


@settings(max_examples=examples(60))
@given(hosts=st.integers(2, 80), dead=st.integers(1, 79), seed=st.integers(0, 1000))
def test_all_who_die_at_once_are_found_in_time(hosts: int, dead: int, seed: int) -> None:
    scenario = CellScenario(
        hosts, [Trouble(WARM, deaths=min(dead, hosts - 1))], WARM + 420, seed=seed
    )
    outcome = simulate_cell(scenario)
    bound = detection_bound(scenario, min(dead, hosts - 1))
    assert not outcome.accused
    assert sorted(outcome.found) == sorted(outcome.died)
    assert max(outcome.found.values()) <= bound
