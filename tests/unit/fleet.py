"""A detector with the fleet in the test's hands: beats are given, time is a number."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

import numpy as np

from musterd.beat import Status
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import News, judge_sweep
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.columns import Beats


def rules(**changes: float) -> Rules:
    numbers = {
        "service_down_time": 4.0,
        "interval": 1.0,
        "storm_min": 5,
        "storm_fraction": 1 / 3,
        "storm_hold": 8.0,
    } | changes
    return Rules(
        service_down_time=numbers["service_down_time"],
        interval=numbers["interval"],
        push_timeout=lambda interval: 0.8 * interval,
        storm_min=int(numbers["storm_min"]),
        storm_fraction=numbers["storm_fraction"],
        storm_hold=numbers["storm_hold"],
    )


class How(TypedDict, total=False):
    """What beats may say beside their sequence."""

    incarnation: int
    status: Status
    interval: float
    push_timeout: float
    sent_ms: int


class Fleet:
    """Members by row, swept every ``period`` seconds."""

    def __init__(
        self, shards: int = 1, replicas: int = 1, *, period: float = 0.5, **changes: float
    ) -> None:
        self.period = period
        clocks = [ListeningClock(period, timeout=2.0) for _ in range(shards)]
        self.detector = Detector(rules(**changes), clocks, replicas)
        self.now = 1000.0
        self.step = Step.STOOD_STILL  # of the newest sweep
        self.causes: list[tuple[float, int, Cause]] = []

    def add(
        self,
        count: int,
        *,
        shards: Iterable[int] = (0,),
        zone: int = 0,
        state: Code = Code.UNKNOWN,
        quiet: float = 0.0,
    ) -> list[int]:
        places = tuple(shards)
        states = np.full(count, state, np.uint8)
        shards = np.full((count, len(places)), places, np.int16)
        rows = self.detector.add_all(states, shards, np.full(count, quiet))
        self.detector.members.zone[rows] = zone
        return [int(row) for row in rows]

    def state(self, row: int) -> Code:
        return Code(self.detector.members.state[row])

    def states(self, rows: Iterable[int]) -> set[Code]:
        return {self.state(row) for row in rows}

    def silence(self, row: int) -> float:
        return float(self.detector.silence(np.array([row]))[0])

    def beat(self, rows: Iterable[int], sequence: int, **how: Unpack[How]) -> None:
        """A sweep between two others brings these :meth:`news`, and proves nothing."""
        self._judge([self.news(rows, sequence, **how)], Step.STOOD_STILL, 0)

    def news(
        self,
        rows: Iterable[int],
        sequence: int,
        *,
        incarnation: int = 7,
        status: Status = Status.OK,
        interval: float = 1.0,
        push_timeout: float = 0.0,
        sent_ms: int = 0,
    ) -> News:
        """Beats as a sweep brings them: those that changed in the store."""
        who = np.array(list(rows), np.int64)
        every = np.ones(len(who))
        beats = Beats(
            slot=who,
            member_id=who.astype(np.uint64),
            incarnation=(every * incarnation).astype(np.uint64),
            sequence=(every * sequence).astype(np.uint64),
            interval_ms=(every * interval * 1000).astype(np.uint32),
            status=(every * status).astype(np.uint8),
            sent_ms=np.full(len(who), sent_ms, np.int64),
            missed=np.zeros(len(who), np.uint16),
            push_timeout_ms=(every * push_timeout * 1000).astype(np.uint16),
            lag_ms=np.zeros(len(who), np.uint32),
        )
        return who, beats

    def take(
        self,
        news: Iterable[News] = (),
        *,
        proven: bool = True,
        shard: int = 0,
        canary: float = 0.0,
    ) -> list[StateChanges]:
        """A sweep that brings ``news``; what changed."""
        end = self.now + 0.01
        self.step = whole(self.detector.advance(shard, self.now, end, proven, canary))
        return self._judge(news, self.step, shard)

    def sweep(self, *, proven: bool = True, shard: int = 0, canary: float = 0.0) -> None:
        """A sweep without beats of its own."""
        self.take(proven=proven, shard=shard, canary=canary)

    def sweeps(
        self, seconds: float, *, proven: bool = True, shard: int = 0, canary: float = 0.0
    ) -> None:
        for _ in range(round(seconds / self.period)):
            self.now += self.period
            self.sweep(proven=proven, shard=shard, canary=canary)

    def run(self, seconds: float, rows: Iterable[int], sequence: int) -> int:
        """The members in ``rows`` beat in every sweep; the next sequence."""
        alive = list(rows)
        for _ in range(round(seconds / self.period)):
            self.now += self.period
            self.take([self.news(alive, sequence)])
            sequence += 1
        return sequence

    def causes_of(self, row: int) -> list[Cause]:
        return [cause for _, who, cause in self.causes if who == row]

    def _judge(self, news: Iterable[News], step: Step, shard: int) -> list[StateChanges]:
        changes = whole(judge_sweep(self.detector, shard, news, step, self.now))
        self._note(changes)
        return changes

    def _note(self, batches: list[StateChanges]) -> None:
        for changes in batches:
            self.causes += [
                (self.now, row, Cause(cause))
                for row, cause in zip(changes.rows.tolist(), changes.cause.tolist(), strict=True)
            ]
