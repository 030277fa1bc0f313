"""The module finds of whom Nova's rules are to be asked after a sweep, and how old what they look at is."""

from collections.abc import Iterator

import numpy as np

from musterd.trace.words import Rule
from musterd_coordinator.judge.members import LOOKED_AT, Code, Mask, Rows, Seconds, slices
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.traced import TracedRows
from musterd_coordinator.sweep.base import BeatBatch, LastSeen
from musterd_coordinator.sweep.loop import SweepOutcome

Asked = Iterator[tuple[Rows, Seconds]]
"""Portions of a step: rows (n) to ask of, and the ages (n) of what a rule looks at, by wall clocks."""

_NOBODY = np.empty(0, np.int64), np.empty(0)


def asked(traced: TracedRows, rule: Rule, index: int, swept: SweepOutcome, wall: float) -> Asked:
    """Yield whom to ask ``rule`` of after a sweep of shard ``index``, at ``wall`` by this host's clock."""
    batch = swept.sweep
    if rule is Rule.MC:
        if not swept.roster.more:  # else who is there is not known yet
            yield from _by_values(traced, index, batch, wall)
    elif batch is not None and batch.last_seen is not None:
        yield from _by_rows(traced, index, batch.last_seen, wall)


def _by_rows(traced: TracedRows, index: int, seen: LastSeen, wall: float) -> Asked:
    """Yield members of whom a sweep brought when they were last seen up.

    A database that does not answer gives no answer in Nova either.
    """
    for begin in range(0, len(seen.slot), LOOKED_AT):
        some = slice(begin, begin + LOOKED_AT)
        rows, at = traced.rows_at(index, seen.slot[some]), seen.at[some]
        good = (rows != NOBODY) & ~np.isnan(at)
        yield rows[good], wall - at[good]


def _by_values(traced: TracedRows, index: int, batch: BeatBatch | None, wall: float) -> Asked:
    """Yield members with their first place on a shard.

    Who was not heard yet is not asked for. With a server that does not answer all are gone. Of one that
    is read in part only those are told that were read.
    """
    size = len(traced.columns().life)
    ages = np.full(size, np.inf)
    for beats in batch.beats.parts(LOOKED_AT) if batch else ():
        rows = traced.rows_at(index, beats.slot)
        known = (rows != NOBODY) & (rows < size)
        ages[rows[known]] = wall - beats.sent_ms[known] / 1000
        yield _NOBODY
    for among in slices(size):
        rows = among.start + np.flatnonzero(_are_placed(traced, index, among))
        if batch is not None and not batch.complete:
            rows = rows[np.isfinite(ages[rows])]
        yield rows, ages[rows]


def _are_placed(traced: TracedRows, index: int, among: slice) -> Mask:
    now = traced.columns()
    heard = (now.state[among] != Code.FREE) & (now.state[among] != Code.UNKNOWN)
    placed: Mask = heard & (now.shard[0, among] == index)
    return placed
