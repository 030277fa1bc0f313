"""The module has the fleet as it really is, and the store that its beats go through.

Rows are in the order of the members' phases, so that the members with a beat in one sweep period
are a slice or two, and no others are touched.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.simulation.faults import Schedule
from benchmarks.simulation.scenario import HOUR, Scenario
from musterd.beat import Status
from musterd_coordinator.judge.members import Rows, Seconds
from musterd_coordinator.sweep.columns import Beats

DEAD, BACK, ALIVE = 0, 1, 2
"""BACK: it beats again and the coordinator has not seen it yet."""


@dataclass(frozen=True, slots=True)
class Pushes:
    """The `Pushes` are beats that got through: row ``rows[i]`` with ``sequence[i]``."""

    rows: Rows
    sequence: NDArray[np.uint64]


class Fleet:
    """A `Fleet` is members that beat, crash and come back.

    ``lost`` and ``faulted`` count each member's pushes since its last beat that was read: those
    lost on their own, and those swallowed by a fault.
    """

    def __init__(self, scenario: Scenario, schedule: Schedule, rng: Generator) -> None:
        self.scenario = scenario
        self.truth = np.full(scenario.members, ALIVE, np.uint8)
        self.crashed_at = np.full(scenario.members, np.inf)
        self.lost = np.zeros(scenario.members, np.uint8)
        self.faulted = np.zeros(scenario.members, np.uint8)
        self._schedule = schedule
        self._rng = rng
        self._phase = np.sort(rng.uniform(0.0, scenario.interval, scenario.members))
        self._incarnation = np.ones(scenario.members, np.uint32)
        self._sequence = np.zeros(scenario.members, np.uint32)  # in the store
        self._arriving: defaultdict[int, list[Pushes]] = defaultdict(list)
        self._unread: list[Pushes] = []
        self._returning: defaultdict[int, list[Rows]] = defaultdict(list)

    def crash(self, tick: int) -> Rows:
        """Let members crash in the period that ends with ``tick``; return their rows."""
        scenario, period = self.scenario, self.scenario.sweep_period
        count = self._rng.poisson(scenario.members * scenario.crashes * period / HOUR)
        if not count:
            return np.empty(0, np.int64)
        rows: Rows = np.unique(self._rng.integers(0, scenario.members, count))
        rows = rows[self.truth[rows] != DEAD]
        self.crashed_at[rows] = (tick - self._rng.uniform(0.0, 1.0, len(rows))) * period
        self.truth[rows] = DEAD
        if scenario.return_after is not None:
            self._returning[tick + int(np.ceil(scenario.return_after / period)) + 1].append(rows)
        return rows

    def come_back(self, tick: int) -> tuple[Rows, Seconds]:
        """Start members anew that are due at the period's beginning; return them.

        Their rows come with the times when they died. Like agents they keep their phase; unlike
        agents they do not beat at once.
        """
        rows: Rows = np.concatenate([np.empty(0, np.int64), *self._returning.pop(tick, [])])
        died = self.crashed_at[rows]
        self.crashed_at[rows] = np.inf
        self.truth[rows] = BACK
        self._incarnation[rows] += 1
        self._sequence[rows] = 0  # what the old run left unread is of no interest any more
        return rows, died

    def beat(self, tick: int) -> None:
        """Send the beats that fall into the period that ends with ``tick``."""
        scenario = self.scenario
        end = tick * scenario.sweep_period
        begin = end - scenario.sweep_period
        first = int(np.floor(begin / scenario.interval)) - 1
        for turn in range(max(0, first), int(end / scenario.interval) + 1):
            since = turn * scenario.interval
            low, high = np.searchsorted(self._phase, (begin - since, end - since), "right").tolist()
            if low < high:
                self._push(np.arange(low, high), since + self._phase[low:high], turn + 1)
        self._arrive(tick)

    def read(self) -> tuple[Rows, Beats]:
        """Return what changed in the store since it was last read: each member's newest beat."""
        unread, self._unread = self._unread, []
        rows = np.concatenate([np.empty(0, np.int64), *(pushes.rows for pushes in unread)])
        sequence = np.concatenate([np.empty(0, np.uint64), *(pushes.sequence for pushes in unread)])
        newest = sequence == self._sequence[rows]
        if not newest.all():
            rows, sequence = rows[newest], sequence[newest]
        self.lost[rows] = self.faulted[rows] = 0
        return rows, self._beats(rows, sequence)

    def _push(self, rows: Rows, sent: Seconds, sequence: int) -> None:
        sends = sent <= self.crashed_at[rows]
        if not sends.all():
            rows, sent = rows[sends], sent[sends]
        took = self.scenario.delay.draw(self._rng, len(rows))
        lost = took > self.scenario.push_timeout
        if self.scenario.loss:
            lost |= self._rng.random(len(rows), np.float32) < self.scenario.loss
        arrival = sent + took
        faulted = self._schedule.loses(sent, arrival) & ~lost
        for count, which in ((self.lost, lost), (self.faulted, faulted)):
            hit = rows[which]
            count[hit] += count[hit] < np.iinfo(np.uint8).max
        through = ~(lost | faulted)
        self._dispatch(rows[through], arrival[through], sequence)

    def _dispatch(self, rows: Rows, arrival: Seconds, sequence: int) -> None:
        """Note each push for the first sweep that can see it."""
        if not len(rows):
            return
        tick = np.ceil(arrival / self.scenario.sweep_period).astype(np.int32)
        for each in range(int(tick.min()), int(tick.max()) + 1):
            these = rows[tick == each]
            if len(these):
                pushes = Pushes(these, np.full(len(these), sequence, np.uint64))
                self._arriving[each].append(pushes)

    def _arrive(self, tick: int) -> None:
        """Let pushes arrive; a member has one under way at most: what arrives later is newer."""
        for pushes in self._arriving.pop(tick, []):
            self._sequence[pushes.rows] = np.maximum(
                self._sequence[pushes.rows], pushes.sequence.astype(np.uint32)
            )
            self._unread.append(pushes)

    def _beats(self, rows: Rows, sequence: NDArray[np.uint64]) -> Beats:
        interval_ms = np.uint32(round(self.scenario.interval * 1000))
        timeout_ms = np.uint16(min(2**16 - 1, round(self.scenario.push_timeout * 1000)))
        nothing = np.broadcast_to(np.uint32(0), len(rows))
        return Beats(
            slot=rows,
            member_id=rows.astype(np.uint64),
            incarnation=self._incarnation[rows].astype(np.uint64),
            sequence=sequence,
            interval_ms=np.broadcast_to(interval_ms, len(rows)),
            status=np.broadcast_to(np.uint8(Status.OK), len(rows)),
            sent_ms=np.broadcast_to(np.int64(0), len(rows)),
            missed=nothing.astype(np.uint16),
            push_timeout_ms=np.broadcast_to(timeout_ms, len(rows)),
            lag_ms=nothing,
        )
