"""The module times a coordinator's judgement over all rows, after a sweep brought the beats."""

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.members import Code, Rows
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.slots import ShardSlots, Take
from musterd_coordinator.judge.sweep import judge_sweep, news_in
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.columns import Beats, Rejected

PERIOD = 1.0
INTERVAL = 10.0
BEATEN = int(INTERVAL / PERIOD)
RULES = Rules(
    service_down_time=60.0,
    interval=INTERVAL,
    push_timeout=lambda intervals: np.minimum(5.0, 0.8 * intervals),
    storm_min=5,
    storm_fraction=1 / 3,
    storm_hold=120.0,
)


class Verdict(NamedTuple):
    """A `Verdict` is the seconds for telling new beats from old ones, and of the detector itself."""

    news: float
    detector: float


class TimedSeats(ShardSlots):
    """`TimedSeats` are seats that know for how many seconds they looked for news."""

    seconds = 0.0

    def news(self, beats: Beats, old: Take = lambda rows, beats: None) -> tuple[Rows, Beats]:
        """Find news as other seats do, and time it."""
        began = time.perf_counter()
        found = super().news(beats, old)
        self.seconds += time.perf_counter() - began
        return found


class Judge:
    """A `Judge` is a coordinator's judgement over one row per slot.

    Every tenth member beats between two sweeps.
    """

    def __init__(self, members: int) -> None:
        self._detector = Detector(RULES, [ListeningClock(PERIOD, 5.0)])
        self._seats = TimedSeats()
        self._sequence = np.ones(members, np.uint64)
        self._sweeps = 0
        states = np.full(members, Code.UNKNOWN, np.uint8)
        rows = self._detector.add_all(states, np.zeros((members, 1), np.int16), np.zeros(members))
        self._seats.seat_newcomers(np.arange(members), rows)

    def begin(self, beats: Beats) -> None:
        """Make two sweeps, after which all members are up."""
        self._take(beats)
        self._sequence += np.uint64(1)
        self._take(beats)

    def sweep(self, beats: Beats) -> Verdict:
        """Return what the judgement takes; ``beats`` say in which order the rows come."""
        self._sequence[self._sweeps % BEATEN :: BEATEN] += np.uint64(1)
        return self._take(beats)

    def _take(self, beats: Beats) -> Verdict:
        sequence = self._sequence[beats.slot]
        beats = beats._replace(sequence=sequence, sent_ms=sent_by_the_clock(sequence, INTERVAL))
        sweep = BeatBatch(beats, Rejected())
        at = self._sweeps * PERIOD
        self._sweeps += 1
        self._seats.seconds = 0.0
        began = time.perf_counter()
        step = whole(self._detector.advance(0, at, at + PERIOD / 2, proven=True))
        news = news_in(self._detector, self._seats, sweep)
        whole(judge_sweep(self._detector, 0, news, step, at))
        took = time.perf_counter() - began
        return Verdict(self._seats.seconds, took - self._seats.seconds)


def sent_by_the_clock(sequence: NDArray[np.uint64], interval: float) -> NDArray[np.int64]:
    """Return when agents sent these beats (n), in milliseconds; no two beats share a time."""
    return (1000 * interval * sequence).astype(np.int64)
