"""Gaps that come back: a live member is never accused, and a dead one is found in the end.

Agents here live in real time, each with its own phase; the path is open or closed, and whatever is
under way when it closes is lost. The coordinator sweeps all the while.
"""

from dataclasses import dataclass, field
from math import ceil, floor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musterd_coordinator.judge.gaps import ENOUGH, WHOLE
from musterd_coordinator.judge.members import Code
from tests.examples import examples
from tests.unit.fleet import Fleet

PERIOD = 0.25
DOWN_TIME = 4.0
MEMBERS = 12

spans = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 40)),  # sweeps that find the path open, and closed
    min_size=1,
    max_size=6,
)


@dataclass
class World:
    """A path that opens and closes, and agents that all give a push ``timeout``."""

    interval: float
    timeout: float
    gaps: list[tuple[int, int]]
    took: list[float]  # by member: the share of its timeout that its pushes take
    fleet: Fleet = field(init=False)
    stretches: list[tuple[int, int]] = field(default_factory=list)  # first and last open tick

    def __post_init__(self) -> None:
        self.fleet = Fleet(period=PERIOD, storm_min=0, interval=self.interval)
        self.rows = self.fleet.add(MEMBERS)
        self.alive = self.rows[::2]
        at = ceil(3 * self.interval / PERIOD)  # all are heard before the first gap
        self.stretches = [(0, at)]
        for open_for, closed_for in self.gaps:
            self.stretches.append((at + 1 + closed_for, at + closed_for + open_for))
            at += closed_for + open_for

    def run(self) -> None:
        open_at = {tick for first, last in self.stretches for tick in range(first, last + 1)}
        for tick in range(self.stretches[-1][1] + 1):
            self.fleet.now = tick * PERIOD
            self.fleet.sweep(proven=tick in open_at)
            if tick in open_at:
                self._read(tick)
            assert self.fleet.states(self.alive) <= {Code.UP, Code.UNKNOWN}, tick

    def _read(self, tick: int) -> None:
        """Beats that arrived since the sweep before, were they sent on an open path."""
        first = next(first for first, last in self.stretches if first <= tick <= last)
        for number, row in enumerate(self.rows):
            if number % 2 and tick > self.stretches[0][1]:
                continue  # it died with the first gap
            takes = self.took[number] * self.timeout
            beat = floor((tick * PERIOD - takes) / self.interval - number / MEMBERS)
            sent = (beat + number / MEMBERS) * self.interval
            if beat >= 0 and sent >= first * PERIOD and sent + takes > (tick - 1) * PERIOD:
                self.fleet.beat([row], beat + 1, interval=self.interval, push_timeout=self.timeout)

    def found_by_now(self) -> bool:
        """Must a member that died with the first gap be down by the end?"""
        chances, listened, total = 0, 0.0, 0.0
        limit = max(DOWN_TIME, 2.5 * self.interval)
        for first, last in self.stretches[1:]:
            spent = (last - first) * PERIOD
            total += spent
            listened += spent if chances >= ENOUGH else 0.0
            pushes = floor((spent - self.timeout) / self.interval - 1e-6)
            chances += ENOUGH if pushes >= WHOLE else pushes >= 1
        allowance = 2 * self.interval + self.timeout
        return total > limit + PERIOD and listened > allowance + PERIOD


@given(
    interval=st.sampled_from([1.0, 1.25, 2.0]),
    timeout=st.sampled_from([0.1, 0.5, 0.8]),
    gaps=spans,
    again=st.integers(1, 12),
    took=st.lists(st.floats(0, 1), min_size=MEMBERS, max_size=MEMBERS),
)
@example(interval=2.0, timeout=0.1, gaps=[(6, 2)], again=12, took=[0.0] * MEMBERS)
@example(interval=2.0, timeout=0.5, gaps=[(14, 1)], again=6, took=[0.0] * MEMBERS)
@example(interval=1.0, timeout=0.8, gaps=[(8, 4)], again=12, took=[1.0] * MEMBERS)  # in step
@settings(max_examples=examples(40), deadline=None)
def test_between_gaps_the_living_are_never_accused_and_the_dead_are_found(
    interval: float, timeout: float, gaps: list[tuple[int, int]], again: int, took: list[float]
) -> None:
    world = World(interval, timeout * interval, gaps * again, took)
    world.run()
    if world.found_by_now():
        assert world.fleet.states(world.rows[1::2]) == {Code.DOWN}


def test_a_coordinator_paused_again_and_again_finds_a_death() -> None:
    """Seventeen seconds between pauses are less than an allowance of 25, and enough for a beat."""
    fleet = Fleet(period=1.0, service_down_time=60.0, interval=10.0)
    alive, dead = fleet.add(2)
    second = 0
    while fleet.state(dead) is not Code.DOWN:
        second += 1
        fleet.now += 1.0 if second % 20 else 3.2
        fleet.sweep()
        if second % 10 == 3 or second == 1:
            who = [alive] if second > 20 else [alive, dead]
            fleet.beat(who, second + 1, interval=10.0, push_timeout=5.0)
        assert second < 140
    assert second > 60
    assert fleet.state(alive) is Code.UP


@pytest.mark.parametrize("replicas", [1, 2])
def test_chances_belong_to_one_shard(replicas: int) -> None:
    """Another shard that has gaps of its own spares nobody on the one that listens."""
    fleet = Fleet(shards=replicas, replicas=replicas)
    (row,) = fleet.add(1, shards=range(replicas))
    for number in range(2):
        fleet.now += 0.5
        for shard in range(replicas):
            fleet.sweep(shard=shard)
        fleet.beat([row], number + 1)
    for sweep in range(8):
        fleet.now += 0.5
        fleet.sweep(shard=0)
        if replicas > 1:
            fleet.sweep(shard=1, proven=bool(sweep % 2))
    assert fleet.state(row) is Code.DOWN
