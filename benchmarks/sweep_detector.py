"""What a coordinator's judgement over all rows costs, after the sweep that brought the beats."""

import time
from typing import NamedTuple

import numpy as np

from musterd.columns import Beats
from musterd_coordinator.detector import Detector, Rules
from musterd_coordinator.listening import ListeningClock
from musterd_coordinator.members import Code
from musterd_coordinator.seats import Seats

PERIOD = 1.0
INTERVAL = 10.0
BEATEN = int(INTERVAL / PERIOD)
RULES = Rules(
    service_down_time=60.0,
    interval=INTERVAL,
    push_timeout=lambda interval: min(5.0, 0.8 * interval),
    storm_min=5,
    storm_fraction=1 / 3,
    storm_hold=120.0,
)


class Verdict(NamedTuple):
    """Seconds: telling new beats from those that were there before, and the detector itself."""

    news: float
    detector: float


class Judge:
    """A detector over one row per slot, all up; every tenth member beats between two sweeps."""

    def __init__(self, members: int) -> None:
        self._detector = Detector(RULES, [ListeningClock(PERIOD, 5.0)])
        self._seats = Seats()
        self._sequence = np.ones(members, np.uint64)
        self._sweeps = 0
        states = np.full(members, Code.UNKNOWN, np.uint8)
        rows = self._detector.add_all(states, [(0,)] * members, np.zeros(members))
        for slot, row in enumerate(rows.tolist()):
            self._seats.seat(slot, row)

    def begin(self, beats: Beats) -> None:
        """Two sweeps after which everybody is up."""
        self._take(beats)
        self._seats.swept = True
        self._sequence += np.uint64(1)
        self._take(beats)

    def sweep(self, beats: Beats) -> Verdict:
        """What the judgement takes; ``beats`` say in which order the rows come."""
        self._sequence[self._sweeps % BEATEN :: BEATEN] += np.uint64(1)
        return self._take(beats)

    def _take(self, beats: Beats) -> Verdict:
        beats = beats._replace(sequence=self._sequence[beats.slot])
        at = self._sweeps * PERIOD
        self._sweeps += 1
        began = time.perf_counter()
        rows, news = self._seats.news(beats)
        found = time.perf_counter()
        self._detector.advance(0, at, at + PERIOD / 2, proven=True)
        if len(rows):
            self._detector.hear(rows, news, at)
        self._detector.judge(0)
        self._detector.end_conflicts(at)
        return Verdict(found - began, time.perf_counter() - found)
