"""What the simulation is made of: distributions, faults, estimates, and the command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.simulation.distributions import parse
from benchmarks.simulation.faults import Faults, schedule
from benchmarks.simulation.scenario import Scenario
from benchmarks.simulation.statistics import mean, rate, ratio

ROOT = Path(__file__).parents[2]
NONE = np.empty((0, 2))


@pytest.mark.parametrize(
    "spec", ["exponential:2", "lognormal:0.1,1.5", "gamma:0.5,3", "gamma:40,0.1", "pareto:0.05,1.2"]
)
def test_draws_follow_the_distribution(spec: str) -> None:
    """By the Kolmogorov-Smirnov statistic, at the 0.1 % level."""
    distribution, count = parse(spec), 50_000
    drawn = np.sort(distribution.draw(np.random.default_rng(1), count))
    steps = np.arange(1, count + 1) / count
    assert np.abs(distribution.cdf(drawn) - steps).max() < 1.95 / np.sqrt(count)
    assert distribution.cdf(np.array([-1.0, 1e9])).tolist() == pytest.approx([0, 1])


def test_a_constant_takes_its_time() -> None:
    distribution = parse("constant:0.5")
    assert set(distribution.draw(np.random.default_rng(1), 9)) == {0.5}
    assert distribution.cdf(np.array([0.49, 0.5])).tolist() == [0, 1]


@pytest.mark.parametrize("spec", ["normal:1", "gamma:1", "exponential:-1", "constant:x", "pareto"])
def test_a_distribution_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=spec.split(":", maxsplit=1)[0]):
        parse(spec)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("loss", 1.0),
        ("push_timeout", 10.0),
        ("down_time", 20.0),
        ("duration", 60.0),
        ("members", 0),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=option):
        Scenario(**{option: value})  # type: ignore[arg-type]  # members is a whole number


def test_a_stall_answers_no_sweep_and_swallows_what_is_under_way() -> None:
    plan = schedule(Faults(np.array([[2.5, 4.5]]), np.empty(0), NONE), ticks=6, period=1.0)
    assert plan.swept.all()
    assert plan.answered.tolist() == plan.proven.tolist() == [1, 1, 1, 0, 0, 1, 1]
    sent, arrival = np.array([2.3, 2.3, 3.0, 4.4, 4.6]), np.array([2.4, 2.6, 3.1, 4.7, 4.7])
    assert plan.loses(sent, arrival).tolist() == [0, 1, 1, 1, 0]


def test_a_restart_takes_the_canary_and_what_was_not_read_yet() -> None:
    plan = schedule(Faults(NONE, np.array([2.5]), NONE), ticks=4, period=1.0)
    assert plan.answered.all()
    assert plan.proven.tolist() == [1, 1, 1, 0, 1]
    sent, arrival = np.array([1.8, 2.1, 2.4, 2.6]), np.array([1.9, 2.2, 2.6, 2.7])
    assert plan.loses(sent, arrival).tolist() == [0, 1, 1, 0]


def test_a_restart_during_a_stall_is_seen_when_it_ends() -> None:
    plan = schedule(Faults(np.array([[1.5, 3.5]]), np.array([2.5]), NONE), ticks=5, period=1.0)
    assert plan.answered.tolist() == [1, 1, 0, 0, 1, 1]
    assert plan.proven.tolist() == [1, 1, 0, 0, 0, 1]


def test_a_paused_coordinator_does_not_sweep() -> None:
    plan = schedule(Faults(NONE, np.empty(0), np.array([[1.5, 3.5]])), ticks=4, period=1.0)
    assert plan.swept.tolist() == plan.proven.tolist() == [1, 1, 0, 0, 1]
    assert not plan.loses(np.array([2.0]), np.array([2.1])).any()


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Members whose rate differs, and whose exposure does: 95 % of the intervals, within 3 %."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        exposure = rng.uniform(1.0, 3.0, 300)
        estimate = ratio(rng.poisson(0.5 * exposure), exposure)
        held += estimate.low <= 0.5 <= estimate.high
    assert 920 <= held <= 980


def test_a_rate_of_nothing_has_an_upper_end() -> None:
    estimate = rate(np.zeros(10, np.uint16), np.full(10, 100.0))
    assert (estimate.value, estimate.low, estimate.high) == (0.0, 0.0, 0.003)
    assert estimate.inverse().low == pytest.approx(1000 / 3)


def test_the_mean_of_values() -> None:
    estimate = mean(np.array([1.0, 2.0, 3.0]))
    assert estimate.value == 2.0
    assert estimate.error == pytest.approx(1 / np.sqrt(3))


def command(*options: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {before}\nfrom benchmarks.simulate import main; sys.exit(main())"
    argv = [sys.executable, "-c", code, *options]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_prints_tables() -> None:
    ran = command("--members=200", "--duration=200", "--loss=0.3", "--down-time=30", "--naive")
    assert ran.returncode == 0, ran.stderr
    assert "T_MR, the fleet" in ran.stdout
    assert "naive" in ran.stdout


def test_the_command_prints_json() -> None:
    ran = command("--members=200", "--duration=200", "--stalls=36", "--json", "--loss=0")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    figures = {figure["figure"]: figure["value"] for figure in found["musterd"]}
    assert figures["mistakes, by faults alone"] == 0
    assert found["scenario"]["delay"] == "exponential:0.05"


@pytest.mark.parametrize(
    ("option", "word"),
    [("--delay=normal:1", "no such distribution"), ("--loss=2", "loss"), ("--plot=x", "bench")],
)
def test_the_command_says_what_is_wrong_in_a_line(option: str, word: str) -> None:
    ran = command(option, before="sys.modules['matplotlib'] = None")
    assert ran.returncode == 2
    assert word in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr
