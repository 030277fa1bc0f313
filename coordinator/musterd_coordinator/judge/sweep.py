"""One sweep of a shard is judged here for all members, in steps; questions are answered in between."""

from collections.abc import Iterable, Iterator

import numpy as np

from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import Step
from musterd_coordinator.judge.members import LOOKED_AT, Rows, slices
from musterd_coordinator.judge.silences import Due
from musterd_coordinator.judge.slots import ShardSlots
from musterd_coordinator.judge.transitions import StateChanges, StateClaims
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.columns import Beats

News = tuple[Rows, Beats]
"""Rows (n), each at most once in a sweep, and the n beats that they have sent since the sweep before."""

Judging = Steps[list[StateChanges]]
"""Returns all that changed. No state changes before the last step."""


def news_in(detector: Detector, seats: ShardSlots, sweep: BeatBatch) -> Iterator[News]:
    """Yield what is new of members with ``seats`` in a sweep of their shard, in portions of a step."""
    for beats in sweep.beats.parts(LOOKED_AT):
        yield seats.news(beats, detector.remember_promises)
    seats.swept |= sweep.complete


def judge_sweep(
    detector: Detector, shard: int, news: Iterable[News], step: Step, now: float
) -> Judging:
    """Take in the ``news`` of a sweep of ``shard``, and give verdicts if its clock went on.

    Every verdict there is comes from here: a coordinator's, and those of properties and simulation.
    ``step`` is what :meth:`Detector.advance` made of the sweep, which began at ``now``, in monotonic
    seconds.
    """
    told, asking = list[StateChanges](), list[StateClaims]()
    for rows, beats in news:
        if len(rows):
            changes, asked = detector.ingest(rows, beats, now)
            told += changes
            if len(asked.rows):
                asking.append(asked)
        yield
    due, calm = list[Due](), [np.empty(0, np.int64)]
    for among in slices(detector.members.size):
        calm.append(detector.forget_turns(among, now))
        if step is Step.ADVANCED and len((ripe := detector.silences.due(shard, among)).rows):
            due.append(ripe)
        yield
    claims = yield from detector.claims.weigh(asking)
    verdicts = yield from detector.silences.weigh(due)
    told += detector.claims.grant(claims)
    told += detector.silences.judge(verdicts)
    if step is Step.ADVANCED:
        told += detector.claims.end_goodbyes()
    return told + detector.end_conflicts(np.concatenate(calm), now)
