"""The module simulates a cell of Nova that is watched: hosts that report by a queue, and what breaks there.

A report that is lost keeps its host silent until nova-compute gives up waiting for the answer; then it
reports again at once. The rule about the herd is the coordinator's own, and so are detector and clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import judge_sweep
from musterd_coordinator.judge.transitions import StateChanges
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.columns import Beats
from musterd_coordinator.sweep.nova.herd import EVIDENCE, Herd, tolerated
from musterd_coordinator.sweep.nova.pace import LATE, ReportPace

SWEEP_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """A `Trouble` lasts from ``begin`` to ``end``, in seconds.

    Of the reports sent meanwhile the share ``lost`` is lost, and silences its host for as long as a
    lost message does, or for one interval where it is ``told`` at once. Where the ``database`` is in
    trouble, no canary is accepted. Hosts that ``restart`` send nothing meanwhile, and begin anew within
    an interval after it. ``deaths`` hosts die when it begins.
    """

    begin: float
    end: float = 0.0
    lost: float = 0.0
    told: bool = False
    database: bool = False
    restart: bool = False
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class CellScenario:
    """A `CellScenario` is a cell of ``hosts``, for ``duration`` seconds; other fields as of Nova."""

    hosts: int
    troubles: Sequence[Trouble] = ()
    duration: float = 900.0
    interval: float = 10.0
    rpc_response_timeout: float = 60.0
    service_down_time: float = 60.0
    sweep_period: float = 1.0
    storm_min: int = 0
    seed: int = 1

    @property
    def pace(self) -> ReportPace:
        """Return how often its services report."""
        return ReportPace(self.interval, self.rpc_response_timeout, self.sweep_period)


@dataclass(slots=True)
class CellOutcome:
    """A `CellOutcome` is what was found: living hosts called down, by row, with how often each.

    ``found`` has the seconds from each death to its verdict, by row; ``died`` when each died.
    ``deaf`` are the seconds for which nobody was judged, from the first time on that somebody was.
    """

    accused: dict[int, int] = field(default_factory=dict)
    found: dict[int, float] = field(default_factory=dict)
    died: dict[int, float] = field(default_factory=dict)
    deaf: float = 0.0


def detection_bound(scenario: CellScenario, dead: int) -> float:
    """Return within how many seconds ``dead`` hosts are found that die at once, in a cell that was well.

    Those that live must be some. What mass silences add is not in it.

    Few are found as soon as their silence is complete. More make a doubt of the way: it begins with
    their last late report, at most LATE intervals after they died; it ends when a whole interval, and
    EVIDENCE promises of those who live, saw no more of them; and then everybody has an allowance of two
    intervals and a push.
    """
    interval, patience = scenario.interval, scenario.rpc_response_timeout
    sweeps = 4 * scenario.sweep_period
    allowance = 2 * interval + patience
    silence = max(scenario.service_down_time, 1.5 * interval + max(interval, patience))
    if dead <= tolerated(scenario.hosts):
        return silence + sweeps
    evidence = max(interval, ceil(EVIDENCE / (scenario.hosts - dead)) * interval)
    return LATE * interval + evidence + max(allowance, silence - interval) + sweeps


def simulate_cell(scenario: CellScenario) -> CellOutcome:
    """Run ``scenario``, sweep by sweep; the same seed makes the same reports."""
    run = CellRun(scenario)
    for tick in range(1, round(scenario.duration / scenario.sweep_period) + 1):
        run.tick(tick * scenario.sweep_period)
    return run.outcome


class _Hosts:
    """These are hosts as they really are."""

    def __init__(self, scenario: CellScenario, rng: np.random.Generator) -> None:
        self._scenario = scenario
        self._rng = rng
        self.alive = np.ones(scenario.hosts, np.bool_)
        self.count = np.ones(scenario.hosts, np.uint64)
        self._next = rng.uniform(0.0, scenario.interval, scenario.hosts)

    def die(self, count: int) -> NDArray[np.int64]:
        who: NDArray[np.int64] = self._rng.choice(np.flatnonzero(self.alive), count, replace=False)
        self.alive[who] = False
        return who

    def restart(self, until: float) -> None:
        at = until + self._rng.uniform(0.0, self._scenario.interval, len(self._next))
        self._next = np.maximum(self._next, at)

    def report(self, now: float, lost: float, *, told: bool) -> NDArray[np.int64]:
        """Send what is due by ``now``; return whose reports arrived."""
        due = np.flatnonzero(self.alive & (self._next <= now))
        gone = self._rng.random(len(due)) < lost
        arrived, lost_ones = due[~gone], due[gone]
        self.count[arrived] += np.uint64(1)
        self._next[arrived] += self._scenario.interval
        mute = self._scenario.interval if told else self._scenario.rpc_response_timeout
        self._next[lost_ones] += mute
        return arrived


class Look(NamedTuple):
    """A `Look` is what one sweep brought: whose reports were new, and what changed by it.

    It was ``answered`` if the database was there, and ``proven`` if silence counts by it.
    """

    reported: NDArray[np.int64]
    changes: Sequence[StateChanges]
    answered: bool
    proven: bool


class CellRun:
    """A `CellRun` runs ``scenario``, sweep by sweep."""

    def __init__(self, scenario: CellScenario) -> None:
        self._scenario = scenario
        self.outcome = CellOutcome()
        self._hosts = _Hosts(scenario, np.random.default_rng(scenario.seed))
        self._clock = ListeningClock(scenario.sweep_period, SWEEP_TIMEOUT)
        self._detector = Detector(_rules(scenario), [self._clock])
        count = scenario.hosts
        states, shards = np.full(count, Code.UP, np.uint8), np.zeros((count, 1), np.int16)
        self._detector.add_all(states, shards, np.zeros(count))
        self._herd = Herd(scenario.pace)
        self._begun: set[Trouble] = set()
        self._was_open = False

    def tick(self, now: float) -> Look:
        """Go through the period until ``now``, and the sweep at its end; return what that brought."""
        lost, told, broken = self._troubles(now)
        reported = self._hosts.report(now, lost, told=told)
        # As in a coordinator: the herd is asked with what this sweep read.
        if not broken:
            self._herd.take(now, reported)
        proven = not broken and self._herd.is_open
        step = whole(self._detector.advance(0, now, now, proven))
        news = [] if broken else [(reported, self._beats(reported))]
        judged = whole(judge_sweep(self._detector, 0, news, step, now))
        for changes in judged:
            self._note(changes, now)
        self._was_open |= proven
        self.outcome.deaf += self._was_open * (not proven) * self._scenario.sweep_period
        return Look(reported, judged, not broken, proven)

    def _troubles(self, now: float) -> tuple[float, bool, bool]:
        """Let what is due begin; return which share of reports is lost, if hosts are told, and the rest."""
        for trouble in self._scenario.troubles:
            if trouble.begin < now and trouble not in self._begun:
                self._begun.add(trouble)
                who = self._hosts.die(trouble.deaths)
                self.outcome.died |= dict.fromkeys(who.tolist(), trouble.begin)
                if trouble.restart:
                    self._hosts.restart(trouble.end)
        there = [one for one in self._scenario.troubles if one.begin < now <= one.end]
        lost = max((one.lost for one in there), default=0.0)
        return lost, any(one.told for one in there), any(one.database for one in there)

    def _note(self, changes: StateChanges, now: float) -> None:
        for row in changes.rows[changes.new == Code.DOWN].tolist():
            if self._hosts.alive[row]:
                self.outcome.accused[row] = self.outcome.accused.get(row, 0) + 1
            else:
                self.outcome.found.setdefault(row, now - self.outcome.died[row])

    def _beats(self, rows: NDArray[np.int64]) -> Beats:
        nothing = np.zeros(len(rows), np.uint32)
        return Beats(
            slot=rows,
            member_id=rows.astype(np.uint64),
            incarnation=np.ones(len(rows), np.uint64),
            sequence=self._hosts.count[rows],
            interval_ms=nothing + np.uint32(round(self._scenario.interval * 1000)),
            status=np.full(len(rows), Status.OK, np.uint8),
            sent_ms=nothing.astype(np.int64),
            missed=nothing.astype(np.uint16),
            push_timeout_ms=nothing.astype(np.uint16),
            lag_ms=nothing,
        )


def _rules(scenario: CellScenario) -> Rules:
    return Rules(
        service_down_time=scenario.service_down_time,
        interval=scenario.interval,
        push_timeout=lambda each: np.full(len(each), scenario.rpc_response_timeout),
        storm_min=scenario.storm_min,
        storm_fraction=1 / 3,
        storm_hold=2 * scenario.service_down_time,
        queued=True,
    )
