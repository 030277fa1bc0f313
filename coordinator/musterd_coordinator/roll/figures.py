"""What a coordinator did since it started is counted here, for whoever watches it by figures."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.model import State
from musterd_coordinator.histogram import Histogram
from musterd_coordinator.judge.members import LOOKED_AT, STATES, Code, Members, Rows
from musterd_coordinator.judge.sweep import News
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.roll.wording import EVIDENT
from musterd_coordinator.roll.zones import Zones
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.sweep.proof import NoProof

GROUPS_COUNTED = 1000
"""So many groups are counted by name, those that changed first; the others have an empty one together."""

SWEEP_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CANARY_BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
DETECTION_BOUNDS = (
    1.0,
    2.5,
    5.0,
    10.0,
    15.0,
    20.0,
    30.0,
    45.0,
    60.0,
    75.0,
    90.0,
    120.0,
    180.0,
    300.0,
)

LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WRITE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_SILENCED = np.isin(np.arange(len(Cause)), list(EVIDENT))


class TransitionKind(NamedTuple):
    """A `TransitionKind` is what transitions are counted by."""

    group: str
    old: State
    new: State
    cause: str


class SweepFigures:
    """`SweepFigures` are those of one shard: how long its sweeps took, and why some proved nothing.

    ``beats`` that were new there count, pushes that were ``missed`` before them, and by how many seconds
    they left late, as agents themselves say.
    """

    def __init__(self) -> None:
        self.sweeps = Histogram(SWEEP_BOUNDS)
        self.canaries = Histogram(CANARY_BOUNDS)
        self.unproven = Counter[str]()
        self.beats = self.missed = 0
        self.lags = Histogram(LAG_BOUNDS)


class RunFigures:
    """`RunFigures` are those of one run of a coordinator.

    ``transitions`` count what sweeps changed. ``false_downs`` count members, by group, that were
    called down for their silence and went on in the same run of their agent: errors of ours, or of
    the network between. ``detection`` are the seconds from the last beat of who went down for its silence
    until it did, and ``shards`` are by name. ``writes`` are the seconds that the registry took for each,
    ``written_at`` is when it last took one, in seconds of the wall clock. ``trace_lost`` are lines of the
    trace. So many ``groups`` have their own counts.
    """

    def __init__(self, members: Members, zones: Zones, groups: int = GROUPS_COUNTED) -> None:
        self.transitions = Counter[TransitionKind]()
        self.false_downs = Counter[str]()
        self.detection = Histogram(DETECTION_BOUNDS)
        self.shards = dict[str, SweepFigures]()
        self.writes = Histogram(WRITE_BOUNDS)
        self.written_at: float | None = None
        self.trace_lost = 0
        self._members = members
        self._zones = zones
        self._groups, self._most_groups = set[str](), groups
        self._silenced: NDArray[np.uint64] = np.zeros(0, np.uint64)  # by row: the run called dead

    def count_sweep(self, shard: str, swept: SweepOutcome, proven: bool) -> None:
        """Count a sweep; ``proven`` says whether its shard's clock went on by it."""
        of_it = self.shards.setdefault(shard, SweepFigures())
        of_it.sweeps.observe(swept.seconds)
        if swept.canary_seconds is not None:
            of_it.canaries.observe(swept.canary_seconds)
        if not proven:
            of_it.unproven[swept.doubt or NoProof.TOO_LONG] += 1

    def count_beats(self, shard: str, news: Iterable[News], now: float) -> Iterator[News]:
        """Pass on the ``news`` of a sweep that began ``now``; count what was new of it, once it is taken in.

        What was is known by when its members were heard: what stands in the store may be an old beat.
        """
        of_it, members = self.shards[shard], self._members
        for each in news:
            yield each
            new = each[0][members.heard_at[each[0]] == now]
            if len(new):
                of_it.beats += len(new)
                of_it.missed += int(members.missed[new].sum(dtype=np.int64))
                of_it.lags.observe_all(members.lag_ms[new] / 1000)

    def count_write(self, seconds: float, wall: float) -> None:
        """Count a write to the registry, which took so long and ended at ``wall``."""
        self.writes.observe(seconds)
        self.written_at = wall

    def count_changes(self, told: Iterable[StateChanges], now: float) -> Iterator[None]:
        """Count what a sweep changed ``now``, in monotonic seconds: in steps of half a millisecond."""
        for changes in told:
            codes = changes.cause.astype(np.int64) << 8 | changes.old << 4 | changes.new
            for at in range(0, len(changes), LOOKED_AT):
                part = slice(at, at + LOOKED_AT)
                self._count(changes.rows[part], codes[part], now)
                yield

    def _count(self, rows: Rows, codes: NDArray[np.int64], now: float) -> None:
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            self._count_kind(rows[codes == code], code, now)

    def _count_kind(self, rows: Rows, code: int, now: float) -> None:
        cause, old, new = Cause(code >> 8), code >> 4 & 15, code & 15
        for group, count in self._by_group(rows):
            kind = TransitionKind(group, STATES[old], STATES[new], cause.name.lower())
            self.transitions[kind] += count
        if new == Code.DOWN != old:
            self._note_death(rows, cause, now)
        elif old == Code.DOWN and new == Code.UP:
            self._note_return(rows)

    def _note_death(self, rows: Rows, cause: Cause, now: float) -> None:
        self._reserve(int(rows.max()) + 1)
        silenced = bool(_SILENCED[cause])
        self._silenced[rows] = self._members.incarnation[rows] if silenced else 0
        if silenced:
            seconds = now - self._members.heard_at[rows]
            self.detection.observe_all(seconds[~np.isnan(seconds)])

    def _note_return(self, rows: Rows) -> None:
        self._reserve(int(rows.max()) + 1)
        run = self._members.incarnation[rows]
        same = rows[(run == self._silenced[rows]) & (run != 0)]
        for group, count in self._by_group(same):
            self.false_downs[group] += count

    def _reserve(self, rows: int) -> None:
        have = len(self._silenced)
        if rows > have:
            more = max(rows, have + have // 4) - have
            self._silenced = np.append(self._silenced, np.zeros(more, np.uint64))

    def _by_group(self, rows: Rows) -> list[tuple[str, int]]:
        counted = Counter[str]()
        counts = np.bincount(self._members.zone[rows])
        for zone in np.flatnonzero(counts).tolist():
            group, _ = self._zones.key(zone)
            counted[self._label(group)] += counts.item(zone)
        return list(counted.items())

    def _label(self, group: str) -> str:
        if group not in self._groups:
            if len(self._groups) >= self._most_groups:
                return ""
            self._groups.add(group)
        return group
