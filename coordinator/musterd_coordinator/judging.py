"""What one sweep of a shard means for everybody, in steps between which questions are answered."""

from collections.abc import Generator, Iterator

import numpy as np

from musterd.columns import Beats
from musterd.stores import Sweep
from musterd_coordinator.detector import Detector
from musterd_coordinator.judgements import Asking, Changes, join_asking
from musterd_coordinator.listening import Step
from musterd_coordinator.members import Rows
from musterd_coordinator.seats import Seats

STEP = 16_000
"""Members that are looked at in one step: about half a millisecond."""

Judging = Generator[None, None, list[Changes]]
"""Yields between steps, and returns all that changed. No state changes before the last step."""


def judging(
    detector: Detector, index: int, seats: Seats, sweep: Sweep | None, step: Step, now: float
) -> Judging:
    """Take in a sweep of shard ``index``, which ``step`` its clock took, and give verdicts.

    ``now`` is when the sweep began, in monotonic seconds. The shard's clock has been advanced.
    """
    told, asking = list[Changes](), list[Asking]()
    if sweep is not None:
        for beats in sweep.beats.parts(STEP):
            changes, asked = _noted(detector, seats, beats, now)
            told += changes
            asking += asked
            yield
        seats.swept |= sweep.complete
    due = list[Rows]()
    if step is Step.ADVANCED:
        for among in _slices(detector.members.size):
            due.append(detector.due(index, among))
            yield
    if asking:
        told.append(detector.answer(join_asking(asking)))
    if due:
        told += detector.verdicts(index, np.concatenate(due))
    return told + detector.end_conflicts(now)


def _noted(
    detector: Detector, seats: Seats, beats: Beats, now: float
) -> tuple[list[Changes], list[Asking]]:
    rows, news = seats.news(beats, detector.remember_promises)
    if not len(rows):
        return [], []
    changes, asked = detector.note(rows, news, now)
    return changes, [asked]


def _slices(size: int) -> Iterator[slice]:
    return (slice(at, min(at + STEP, size)) for at in range(0, size, STEP))
