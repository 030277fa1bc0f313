"""What one sweep of a shard means for everybody, in steps between which questions are answered."""

from collections.abc import Generator, Iterable, Iterator

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

News = tuple[Rows, Beats]
"""Rows (n), each at most once in a sweep, and the n beats that they have sent since the sweep before."""

Judging = Generator[None, None, list[Changes]]
"""Yields between steps, and returns all that changed. No state changes before the last step."""


def news_in(detector: Detector, seats: Seats, sweep: Sweep) -> Iterator[News]:
    """What is new of those who have ``seats`` in a sweep of their shard, in portions of a step."""
    for beats in sweep.beats.parts(STEP):
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
    told, asking = list[Changes](), list[Asking]()
    for rows, beats in news:
        if len(rows):
            changes, asked = detector.note(rows, beats, now)
            told += changes
            asking.append(asked)
        yield
    due = list[Rows]()
    if step is Step.ADVANCED:
        for among in _slices(detector.members.size):
            due.append(detector.due(shard, among))
            yield
    if asking:
        told.append(detector.answer(join_asking(asking)))
    if due:
        told += detector.verdicts(shard, np.concatenate(due))
    return told + detector.end_conflicts(now)


def at_once(judging: Judging) -> list[Changes]:
    """All that changed, without a pause between steps."""
    while True:
        try:
            next(judging)
        except StopIteration as end:
            changes: list[Changes] = end.value
            return changes


def _slices(size: int) -> Iterator[slice]:
    return (slice(at, min(at + STEP, size)) for at in range(0, size, STEP))
