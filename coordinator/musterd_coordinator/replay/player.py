"""A `Player` judges a script: the coordinator's own detector, swept in simulated time.

Verdicts come from :meth:`Detector.advance` and :func:`judge_sweep`, as a coordinator's do. Where nothing
happens for long (everybody beats, or was down for long, and every sweep proves something) time is cut
out: for the detector the sweeps before and after it follow one another, and no beat is missing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from math import inf

import numpy as np

from musterd.trace.recording import Said, Span
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.members import IS_UNDECIDED, STATES, Code, Rows
from musterd_coordinator.judge.sweep import judge_sweep
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.replay.fleet import Cues, RecordedFleet
from musterd_coordinator.replay.rules import ReplayRules
from musterd_coordinator.replay.script import Part, Script
from musterd_coordinator.steps import whole

QUIET = 1.5
"""Down times after a verdict after which it is over: who fell then counts for nobody else any more."""

DEAD_LONG = 3.0
"""Down times for which members that were down from the beginning count as silent."""


class Player:
    """A `Player` plays ``script`` by ``rules``."""

    def __init__(self, script: Script, rules: ReplayRules) -> None:
        self._script, self._rules = script, rules
        clocks = [ListeningClock(rules.sweep_period, rules.sweep_timeout) for _ in script.deaf]
        places = max((len(part.shards) for part in script.parts), default=1)
        self._detector = Detector(rules.judging, clocks, max(1, places))
        self._fleet = RecordedFleet(script.parts, script.first)
        self._coming = Cues([(part.came, row) for row, part in enumerate(script.parts)])
        self._going = Cues([(part.gone, row) for row, part in enumerate(script.parts)])
        self._turns = sorted({at for spans in script.deaf for span in spans for at in span})
        self._zones: dict[tuple[str, str], int] = {}
        self._cut = 0.0  # seconds of the recording that were left out
        self._quiet_from = script.first + self._calm
        self.verdicts: defaultdict[int, list[Said]] = defaultdict(list)
        self.sweeps = 0

    @property
    def _calm(self) -> float:
        """Return for how many seconds what happened matters to others, or to whoever was not heard."""
        usual = self._rules.judging.interval
        longest = max((part.interval for part in self._script.parts), default=usual)
        down_after = self._rules.down_after(longest)
        return QUIET * down_after + 3 * self._rules.sweep_period

    def play(self) -> None:
        """Play all of it; :attr:`verdicts` are what was said of members, by number."""
        now, period = self._script.first, self._rules.sweep_period
        while now <= self._script.end:
            self._sweep(now)
            now += period
            if (skipped := self._to_skip(now)) > 0:
                self._skip(skipped)
                now += skipped

    def _sweep(self, now: float) -> None:
        """Sweep all shards at ``now``."""
        self._come(now)
        news, detector, at = self._fleet.beat(now), self._detector, now - self._cut
        proven = [not _is_in(spans, now) for spans in self._script.deaf]
        steps = [whole(detector.advance(n, at, at, one)) for n, one in enumerate(proven)]
        for shard, step in enumerate(steps):
            heard = [news] if shard == 0 else []
            for changes in whole(judge_sweep(detector, shard, heard, step, at)):
                self._note(changes, now)
        self._go(now)
        self.sweeps += 1

    def _come(self, now: float) -> None:
        """Let members come that are due by ``now``; their rows are in the order in which they come."""
        rows = self._coming.row[self._coming.due(now)]
        if not len(rows):
            return
        parts = [self._script.parts[row] for row in rows.tolist()]
        states = np.array([part.state for part in parts], np.uint8)
        shards = np.full((len(rows), self._detector.members.replicas), -1, np.int16)
        for place, part in enumerate(parts):
            shards[place, : len(part.shards)] = part.shards
        fell = np.isin(states, (Code.DOWN, Code.LEFT))
        quiet = np.where(fell, DEAD_LONG * self._rules.judging.service_down_time, 0.0)
        added = self._detector.add_all(states, shards, quiet)
        assert added.tolist() == rows.tolist(), "rows are in the order in which members come"
        self._settle(added, parts)

    def _settle(self, rows: Rows, parts: Sequence[Part]) -> None:
        members = self._detector.members
        self._detector.know_intervals(rows, np.array([part.interval for part in parts]))
        members.zone[rows] = [self._zones.setdefault(p.zone, len(self._zones)) for p in parts]
        members.first_heard[rows[members.state[rows] != Code.UNKNOWN]] = -np.inf
        self._disturb(max(part.came for part in parts))

    def _go(self, now: float) -> None:
        """Let nobody count any more who is forgotten; its row is not used again."""
        rows = self._going.row[self._going.due(now)]
        if len(rows):
            self._fleet.remove(rows)
            self._detector.members.state[rows] = Code.FREE

    def _note(self, changes: StateChanges, now: float) -> None:
        differ = changes.old != changes.new
        for row, state, cause in zip(
            changes.rows[differ].tolist(),
            changes.new[differ].tolist(),
            changes.cause[differ].tolist(),
            strict=True,
        ):
            said = Said(now, STATES[state].value, Cause(cause).name.lower())
            self.verdicts[self._script.parts[row].member].append(said)
            self._disturb(now)

    def _disturb(self, now: float) -> None:
        self._quiet_from = max(self._quiet_from, now + self._calm)

    def _to_skip(self, now: float) -> float:
        """Return for how many seconds from ``now`` on nothing would happen; 0 where something may."""
        if now < self._quiet_from or self._is_anybody_falling():
            return 0.0
        at = bisect_right(self._turns, now)
        if any(_is_in(spans, now) for spans in self._script.deaf):
            return 0.0
        turn = self._turns[at] if at < len(self._turns) else inf
        happens = min(
            *(turn, self._coming.next_at, self._going.next_at, self._fleet.next_at),
            self._script.end + self._rules.sweep_period,
        )
        return max(0.0, happens - self._rules.sweep_period - now)

    def _is_anybody_falling(self) -> bool:
        """Say whether silence may yet change anybody's state."""
        members = self._detector.members
        silent = self._fleet.silent[: members.size]
        return bool((silent & IS_UNDECIDED[members.state[members.used]]).any())

    def _skip(self, seconds: float) -> None:
        """Leave out so many seconds: for the detector they were not, but that all grew older by them.

        All whose beats would be due meanwhile beat with the next sweep.
        """
        self._cut += seconds
        self._detector.members.first_heard[self._detector.members.used] -= seconds


def _is_in(spans: Sequence[Span], t: float) -> bool:
    """Say whether ``t`` is in one of ``spans``, which are in order and apart."""
    at = bisect_right(spans, t, key=lambda each: each[0]) - 1
    return at >= 0 and t < spans[at][1]
