"""What a load run concludes from what was seen."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from benchmarks.load.field import bases
from benchmarks.load.fleet import ZONES
from benchmarks.load.judge import Step, Strain, judge, limit
from benchmarks.load.latency import LEAST, RATIO, Latencies
from benchmarks.load.settings import Settings
from benchmarks.load.tally import Count, Tally
from benchmarks.load.watch import Change
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import State

CALM = Strain(
    late=0.0, generator=0.3, server=0.4, server_threads=2, coordinator=0.1, sweeps_late=0.0,
    machine=0.5,
)  # fmt: skip
WELL = Step(asked=100.0, achieved=99.5, p99=0.01, missed=0, sweeps_late=0.0, limited_by="")


def settings(**changed: object) -> Settings:
    plain = Settings("memcached", agents=1000, interval=10.0, duration=300.0, processes=2)
    return replace(plain, **changed)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_verdicts_are_held_against_the_truth() -> None:
    verdicts = judge(
        [
            Change("beats", State.DOWN, at(5)),
            Change("beats", State.UP, at(6)),
            Change("early", State.DOWN, at(90)),
            Change("early", State.UP, at(91)),
            Change("early", State.DOWN, at(160)),
            Change("stopped", State.SUSPECT, at(150)),
            Change("stopped", State.DOWN, at(163)),
            Change("held", State.SUSPECT, at(10)),
        ],
        {"stopped": 100.0, "early": 100.0, "never": 100.0},
    )
    assert verdicts.false == ["beats", "early"]
    assert verdicts.suspects == ["held"]
    assert verdicts.found == [60.0, 63.0]
    assert verdicts.missed == ["never"]


@pytest.mark.parametrize(
    ("strain", "words"),
    [
        (CALM, "nothing yet"),
        (replace(CALM, late=0.02), "GENERATOR"),
        (replace(CALM, late=0.02, machine=0.99), "no CPU left"),
        (replace(CALM, server=1.9), "the server"),
        (replace(CALM, server=None), "the server or the network"),
        (replace(CALM, machine=0.95), "this machine"),
        (replace(CALM, sweeps_late=0.5), "the coordinator"),
        (replace(CALM, generator=0.97), "GENERATOR"),
    ],
)
def test_what_limits_is_named(strain: Strain, words: str) -> None:
    assert words in limit(strain)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (WELL, ""),
        (replace(WELL, p99=0.6), "p99"),
        (replace(WELL, missed=3), "3 beats"),
        (replace(WELL, sweeps_late=0.2), "20% of the sweeps"),
        (replace(WELL, achieved=90.0), "90.0% of the beats"),
    ],
)
def test_a_ramp_ends_where_a_criterion_breaks(step: Step, words: str) -> None:
    assert words in step.broken(0.5)
    assert bool(step.broken(0.5)) is bool(words)


@given(
    values=st.lists(st.floats(LEAST, 100.0), min_size=1, max_size=200),
    percent=st.sampled_from([50.0, 99.0, 99.9, 100.0]),
)
def test_percentiles_are_hardly_above_the_truth(values: list[float], percent: float) -> None:
    one, other = Latencies(), Latencies()
    for place, value in enumerate(values):
        (one if place % 2 else other).add(value)
    truth = float(np.percentile(values, percent, method="inverted_cdf"))
    assert truth * (1 - 1e-9) <= (one + other).percentile(percent) <= truth * RATIO * (1 + 1e-9)


def test_tallies_add_up_and_carry_on() -> None:
    count = Count(push_timeout=1.0)
    count.tally.sent = 10
    count.got_through(0.5, 4)
    count.got_through(2.0, 1)
    count.failed("full", 2)
    both = count.so_far() + Tally(through=1, reasons={"full": 1, "gone": 2}, longest=3.0)
    assert (both.through, both.slow, both.longest) == (6, 1, 3.0)
    assert both.reasons == {"full": 3, "gone": 2}
    assert count.tally.unanswered == 3
    count.begin()
    assert count.so_far().unanswered == 3
    assert not count.so_far().latencies.longest


def test_members_that_stop_are_spread_over_fleet_and_zones() -> None:
    for agents in (30, 500, 1000, 123_457):
        stopped = settings(agents=agents).stopped
        assert len(stopped) == len(set(stopped)) == min(20, agents // 10)
        assert all(0 <= number < agents for number in stopped)
        assert len({number % ZONES for number in stopped}) == len(stopped)
    assert settings(duration=90.0).stopped == []
    assert settings(ramp=True).stopped == []
    assert len(settings(kill=3).stopped) == 3


def test_members_have_a_connection_each_until_there_are_too_many() -> None:
    assert settings().lanes * 2 == 1000
    assert settings(agents=1_000_000).lanes * 2 < 1000
    assert settings(connections=10).lanes == 5
    assert settings(store="postgresql").lanes <= 16
    assert settings(store="relay", agents=100_000).lanes * 2 < 1000
    relayed = settings(store="relay", agents=100_000)
    assert relayed.together > settings(store="relay").together == 1
    assert replace(relayed, connections=5000).together == 1
    assert [len(share) for share in settings(agents=5).shares()] == [2, 3]


def test_slots_of_workers_follow_each_other() -> None:
    placed = [[3, 1], [2, 4]]
    assert bases(placed, 0, one_table=False) == ([[0, 0], [3, 1]], [5, 5])
    assert bases(placed, 10, one_table=True) == ([[10, 15], [13, 16]], [15, 20])
