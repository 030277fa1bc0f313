"""The module makes one run, sweep by sweep: a fleet, a store with faults, musterd's detector."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.simulation.faults import Faults, Schedule, schedule
from benchmarks.simulation.fleet import ALIVE, BACK, DEAD, Fleet
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.scenario import Scenario
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.members import Code, Mask, Rows, Seconds
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import judge_sweep
from musterd_coordinator.steps import whole


class AlwaysCounting(ListeningClock):
    """An `AlwaysCounting` is a clock that never stands still.

    Silence is what the wall clock says, as elsewhere.
    """

    def advance(self, begin: float, end: float, proven: bool) -> Step:
        """Count the time since the last sweep, whatever it found."""
        previous, self.proven_at = self.proven_at, begin
        self.resumed = True
        if previous is None:
            return Step.RESUMED
        self.time += begin - previous
        return Step.ADVANCED


@dataclass(frozen=True, slots=True)
class Outcome:
    """An `Outcome` is what a run found. ``time`` (ticks + 1) is the listening time at each tick."""

    scenario: Scenario
    faults: Faults
    plan: Schedule
    ledger: Ledger
    time: Seconds
    overdue: int  # dead for longer than allowed, in listening time, and not found

    def undisturbed(self, crashed: Seconds) -> Mask:
        """Return which deaths were far from faults.

        Every sweep was proven from a down_time before the crash until the bound after it. That does
        not depend on how soon the death was found, which would favour quick detections.
        """
        begin = np.maximum(0.0, crashed - self.scenario.down_time)
        end = np.minimum(self._end, crashed + detection_bound(self.scenario))
        first, last = self._ticks(begin, end)
        broken = np.cumsum(~self.plan.proven)
        whole: Mask = broken[last] == broken[first]
        return whole & self.plan.proven[first]

    def listened(self, crashed: Seconds, found: Seconds) -> Seconds:
        """Return how much listening time each span has since its last unproven sweep.

        It may be up to a sweep period more, because it is measured from sweep to sweep.
        """
        return _listened(self.plan, self.time, *self._ticks(crashed, found))

    @property
    def _end(self) -> float:
        return self.scenario.ticks * self.scenario.sweep_period

    def _ticks(self, begin: Seconds, end: Seconds) -> tuple[Rows, Rows]:
        period = self.scenario.sweep_period
        return np.floor(begin / period).astype(np.int64), np.ceil(end / period).astype(np.int64)


def _listened(plan: Schedule, time: Seconds, first: Rows, last: Rows | int) -> Seconds:
    ticks = np.arange(len(time))
    gap = np.maximum.accumulate(np.where(plan.proven, 0, ticks))
    listened: Seconds = time[last] - time[np.maximum(first, gap[last])]
    return listened


def simulate(
    scenario: Scenario,
    clock: type[ListeningClock] = ListeningClock,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    faults: Faults | None = None,
) -> Outcome:
    """Run ``scenario``; the same seed makes the same beats and faults, whatever the clock.

    ``faults`` are drawn from the scenario unless given.
    """
    fault_seed, fleet_seed = np.random.SeedSequence(scenario.seed).spawn(2)
    if faults is None:
        faults = Faults.draw(scenario, np.random.default_rng(fault_seed))
    plan = schedule(faults, scenario.ticks, scenario.sweep_period)
    fleet = Fleet(scenario, plan, np.random.default_rng(fleet_seed))
    run = _Run(scenario, plan, fleet, clock)
    for tick in progress(range(1, scenario.ticks + 1)):
        run.tick(tick)
    run.ledger.finish(scenario.ticks * scenario.sweep_period)
    return Outcome(scenario, faults, plan, run.ledger, run.time, run.overdue())


def detection_bound(scenario: Scenario) -> float:
    """Return the longest that T_D can be, in seconds of listening.

    The last beat leaves at the crash at the latest, is in the store a push timeout later, is read
    by the next sweep, and has been silent for down_time at a sweep after that.
    """
    sweeps = np.ceil(scenario.down_time / scenario.sweep_period) + 1
    return float(scenario.push_timeout + sweeps * scenario.sweep_period)


class _Run:
    def __init__(
        self, scenario: Scenario, plan: Schedule, fleet: Fleet, clock: type[ListeningClock]
    ) -> None:
        self.time = np.zeros(scenario.ticks + 1)
        self.ledger = Ledger(scenario, fleet)
        self._scenario = scenario
        self._plan = plan
        self._fleet = fleet
        self._clock = clock(scenario.sweep_period, timeout=scenario.down_time)
        self._detector = Detector(_rules(scenario), [self._clock])
        _add_members(self._detector, scenario)
        self._warm = int(np.ceil(scenario.warm_up / scenario.sweep_period))
        self._sweep(0)

    def tick(self, tick: int) -> None:
        """Go through one sweep period, and the sweep at its end."""
        fleet, now = self._fleet, tick * self._scenario.sweep_period
        state = self._detector.members.state
        back, died = fleet.come_back(tick)
        self.ledger.returned(back, died, state[back])
        crashed = fleet.crash(tick)
        self.ledger.crashed(crashed, state[crashed])
        fleet.beat(tick)
        if self._plan.swept[tick]:
            self._sweep(tick)
        self.time[tick] = self._clock.time
        if tick == self._warm:
            self.ledger.start(now)

    def overdue(self) -> int:
        """Return how many are dead, and not down, for longer than the bound."""
        members = self._detector.members
        dead = np.flatnonzero(
            (self._fleet.truth == DEAD) & (members.state[members.used] != Code.DOWN)
        )
        died = np.floor(self._fleet.crashed_at[dead] / self._scenario.sweep_period)
        last = self._scenario.ticks
        silent = _listened(self._plan, self.time, died.astype(np.int64), last)
        late = silent > detection_bound(self._scenario) + self._scenario.sweep_period
        return int(np.count_nonzero(late))

    def _sweep(self, tick: int) -> None:
        now = tick * self._scenario.sweep_period
        step = whole(self._detector.advance(0, now, now, bool(self._plan.proven[tick])))
        news = [self._fleet.read()] if self._plan.answered[tick] else []
        for changes in whole(judge_sweep(self._detector, 0, news, step, now)):
            self.ledger.take(changes, now)
        for rows, _ in news:
            back = rows[self._fleet.truth[rows] == BACK]
            self._fleet.truth[back] = ALIVE
            self.ledger.seen(back, now)


def _rules(scenario: Scenario) -> Rules:
    """Return rules without the guard against mass silence: listening time alone has to carry it."""
    return Rules(
        service_down_time=scenario.down_time,
        interval=scenario.interval,
        push_timeout=lambda intervals: np.full(len(intervals), scenario.push_timeout),
        storm_min=0,
        storm_fraction=1 / 3,
        storm_hold=2 * scenario.down_time,
    )


def _add_members(detector: Detector, scenario: Scenario) -> None:
    """Add all members, up and on shard 0."""
    count = scenario.members
    states, places = np.full(count, Code.UP, np.uint8), np.zeros((count, 1), np.int16)
    rows = detector.add_all(states, places, np.zeros(count))
    detector.know_intervals(rows, np.full(count, scenario.interval))
