"""The simulation of fleets: what it must find, by the closed forms and by the promises."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from benchmarks.simulation.closed_form import closed_form, nfd_s
from benchmarks.simulation.distributions import parse
from benchmarks.simulation.faults import Faults
from benchmarks.simulation.ledger import Blame
from benchmarks.simulation.run import AlwaysCounting, Outcome, detection_bound, simulate
from benchmarks.simulation.scenario import Scenario
from benchmarks.simulation.statistics import Estimate, mean

from tests.examples import seeds

DELAYS = (
    "constant:0.25",
    "exponential:1",
    "lognormal:0.1,1.5",
    "gamma:2,0.3",
    "pareto:0.05,1.2",  # 0.4 % of the pushes take longer than the push timeout
)
LOSSY = Scenario(members=20_000, down_time=26.0, loss=0.2)
FAULTY = Scenario(
    members=500,
    duration=1800.0,
    loss=0.0,
    stalls=12.0,
    stall_time=parse("lognormal:60,1"),
    restarts=12.0,
    pauses=6.0,
)


def lossy(delay: str) -> Scenario:
    return replace(LOSSY, delay=parse(delay))


@cache
def run(delay: str) -> Outcome:
    return simulate(lossy(delay))


def agrees(estimate: Estimate, exact: float) -> bool:
    return abs(estimate.value - exact) <= 3 * estimate.error


@pytest.mark.parametrize("delay", DELAYS)
def test_mistakes_recur_as_often_as_the_closed_form_says(delay: str) -> None:
    rate, exact = run(delay).ledger.rate(Blame.LOSS), closed_form(lossy(delay))
    assert agrees(rate, exact.mistake_rate)
    assert agrees(rate.inverse(), exact.recurrence)
    assert rate.error < 0.02 * rate.value, "the run is long enough for the test to mean anything"


@pytest.mark.parametrize("delay", DELAYS)
def test_mistakes_last_as_long_as_the_closed_form_says(delay: str) -> None:
    duration = run(delay).ledger.duration(Blame.LOSS)
    assert agrees(duration, closed_form(lossy(delay)).mistake_duration)
    assert duration.error < 0.02 * duration.value


@pytest.mark.parametrize("delay", DELAYS)
def test_answers_are_as_accurate_as_the_closed_form_says(delay: str) -> None:
    accuracy = run(delay).ledger.accuracy()
    assert agrees(accuracy, closed_form(lossy(delay)).accuracy)
    assert accuracy.error < 0.02 * (1 - accuracy.value)


@pytest.mark.parametrize("period", [0.5, 2.0, 4.0])
def test_the_closed_forms_hold_for_every_sweep_period(period: float) -> None:
    scenario = replace(lossy("exponential:1"), sweep_period=period)
    ledger, exact = simulate(scenario).ledger, closed_form(scenario)
    assert agrees(ledger.rate(Blame.LOSS), exact.mistake_rate)
    assert agrees(ledger.duration(Blame.LOSS), exact.mistake_duration)
    assert agrees(ledger.accuracy(), exact.accuracy)


@pytest.mark.parametrize("delay", DELAYS)
def test_detection_takes_as_long_as_the_closed_form_says_and_never_longer(delay: str) -> None:
    scenario = replace(lossy(delay), crashes=3.0)
    deaths = simulate(scenario).ledger.detections()
    whole = deaths.crashed < scenario.duration - detection_bound(scenario)
    times = deaths.times[whole]
    assert len(times) > 5000
    assert agrees(mean(times), closed_form(scenario).detection_time)
    assert times.max() < detection_bound(scenario)


@pytest.mark.parametrize("loss", [0.05, 0.3])
@pytest.mark.parametrize("down_time", [26.0, 47.0])
def test_the_closed_form_becomes_that_of_nfd_s(loss: float, down_time: float) -> None:
    """With a constant delay and ever more sweeps, the two are one detector."""
    delay = 0.25
    scenario = replace(
        lossy(f"constant:{delay}"), loss=loss, down_time=down_time, sweep_period=0.01
    )
    ours = closed_form(scenario)
    theirs = nfd_s(scenario, delta=down_time + delay - scenario.interval)
    by_hand = (1 - loss) * loss ** (down_time // scenario.interval) / scenario.interval
    assert theirs.mistake_rate == pytest.approx(by_hand)
    assert ours.mistake_rate == pytest.approx(theirs.mistake_rate, rel=0.005)
    assert ours.mistake_duration == pytest.approx(theirs.mistake_duration, rel=0.005)
    assert 1 - ours.accuracy == pytest.approx(1 - theirs.accuracy, rel=0.005)


@pytest.mark.parametrize("seed", seeds(5))
def test_faults_alone_call_nobody_down_and_a_clock_that_always_counts_does(seed: int) -> None:
    scenario = replace(FAULTY, seed=seed)
    own, naive = simulate(scenario), simulate(scenario, AlwaysCounting)
    assert own.ledger.mistakes.sum() == 0
    assert naive.ledger.count(Blame.FAULT) > scenario.members / 2
    assert own.time[-1] < naive.time[-1]


def test_a_store_that_hangs_at_every_beat_of_some_members_lets_nobody_be_judged() -> None:
    """Two and a half seconds in every interval: their silence grows between, and never ends."""
    begin = np.arange(100.0, 500.0, FAULTY.interval) + 3.5
    faults = Faults(np.stack([begin, begin + 2.5], axis=1), np.empty(0), np.empty((0, 2)))
    scenario = replace(FAULTY, duration=600.0)
    assert simulate(scenario, faults=faults).ledger.mistakes.sum() == 0
    assert simulate(scenario, AlwaysCounting, faults=faults).ledger.count(Blame.FAULT) > 100


@pytest.mark.parametrize("seed", seeds(2))
def test_faults_add_no_mistakes_to_those_of_loss(seed: int) -> None:
    """Each beat that a fault swallows needs no loss; but then its time does not count."""
    lossy = replace(FAULTY, members=2000, down_time=30.0, loss=0.1, seed=seed)
    calm = replace(lossy, stalls=0.0, restarts=0.0, pauses=0.0)
    own, without = simulate(lossy).ledger, simulate(calm).ledger
    naive = simulate(lossy, AlwaysCounting).ledger
    assert own.count(Blame.FAULT) == 0
    assert own.count(Blame.LOSS) + own.count(Blame.BOTH) < 1.1 * without.count(Blame.LOSS)
    assert naive.count(Blame.FAULT) + naive.count(Blame.BOTH) > 10 * own.count(Blame.BOTH)


@pytest.mark.parametrize("seed", seeds(2))
def test_every_death_is_found_within_the_bound_of_listening(seed: int) -> None:
    scenario = replace(FAULTY, members=5000, loss=0.05, crashes=0.5, seed=seed)
    outcome = simulate(scenario)
    deaths = outcome.ledger.detections()
    listened = outcome.listened(deaths.crashed, deaths.found)
    quiet = outcome.undisturbed(deaths.crashed)
    assert outcome.overdue == 0
    assert 0 < np.count_nonzero(quiet) < len(quiet)
    assert deaths.times[quiet].max() < detection_bound(scenario)
    whole = deaths.crashed < scenario.duration - detection_bound(scenario)
    assert agrees(mean(deaths.times[quiet & whole]), closed_form(scenario).detection_time)
    assert listened.max() < detection_bound(scenario) + scenario.sweep_period


def test_who_comes_back_is_up_again_and_no_mistake() -> None:
    scenario = Scenario(members=2000, loss=0.0, crashes=2.0, return_after=120.0, duration=1800.0)
    outcome = simulate(scenario)
    assert outcome.ledger.mistakes.sum() == 0
    assert outcome.ledger.unnoticed == 0
    assert len(outcome.ledger.detections().times) > 1000


def test_who_is_back_before_the_down_time_is_never_down() -> None:
    scenario = Scenario(members=2000, loss=0.0, crashes=2.0, return_after=20.0)
    ledger = simulate(scenario).ledger
    assert ledger.unnoticed > 200
    assert len(ledger.detections().times) == 0


def test_a_seed_repeats_a_run_and_another_does_not() -> None:
    scenario = replace(FAULTY, duration=600.0, loss=0.3, crashes=1.0)
    first, again = simulate(scenario), simulate(scenario)
    other = simulate(replace(scenario, seed=2))
    assert np.array_equal(first.ledger.mistakes, again.ledger.mistakes)
    assert np.array_equal(first.time, again.time)
    assert not np.array_equal(first.ledger.mistakes, other.ledger.mistakes)


def test_listening_time_stands_still_during_a_stall_and_over_a_pause() -> None:
    stall, pause = np.array([[100.5, 200.5]]), np.array([[300.5, 350.5]])
    faults = Faults(stall, np.array([400.5]), pause)
    time = simulate(replace(FAULTY, duration=600.0), faults=faults).time
    assert time[100] == time[201] == 100  # 201 begins anew
    assert time[300] == time[351] == 199
    assert time[400] == time[402] == 248  # 401 misses the canary, 402 begins anew
    assert time[600] == 446
