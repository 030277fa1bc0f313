"""Why a judge called a living member dead: shard, storm, clock, or the member alone. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from musterd.report.spells import Spell, clipped, touches
from musterd.trace.recording import Silence, Span

LATE = 1.5
"""Intervals for which a member may be silent without a line of it in a trace."""


class Culprit(StrEnum):
    """A `Culprit` is what a wrong verdict is put down to."""

    SHARD = "shard"  # what beats go through did not carry them, or was not heard
    STORM = "storm"  # too many fell silent at once for all to be dead
    CLOCK = "clock"  # an age by two wall clocks, which differ or were set
    ALONE = "alone"  # the member's own beats did not come


class Surroundings(NamedTuple):
    """`Surroundings` are times at which something was wrong with more than a member.

    ``deaf`` are of its shard, ``doubted`` of storms and herds in doubt; both are in order and apart.
    ``slack`` is by how many seconds what belongs together may not be so together.
    """

    deaf: Sequence[Span]
    doubted: Sequence[Span]
    interval: float
    slack: float


def culprit_of(spell: Spell, silence: Silence | None, around: Surroundings) -> Culprit:
    """Return why a member that lived was called dead in ``spell``, during its ``silence`` if it had one."""
    if is_by_clock(spell, silence, around):
        return Culprit.CLOCK
    since = silence.last if silence is not None else spell.begin
    window = min(since, spell.begin - spell.age) - around.slack, spell.begin + around.slack
    if touches(around.deaf, window):
        return Culprit.SHARD
    return Culprit.STORM if touches(around.doubted, window) else Culprit.ALONE


def is_by_clock(spell: Spell, silence: Silence | None, around: Surroundings) -> bool:
    """Say whether the age that a judge went by is more than the member was silent, seen or unseen.

    That takes two wall clocks that differ, or one that was set meanwhile. What a member says while its
    shard is deaf may come as soon as that hears again, and be as old as that.
    """
    since = spell.begin if silence is None else silence.last
    before = spell.begin - spell.age, since
    unseen = filter(None, (clipped(each, before) for each in around.deaf))
    silent = spell.begin - since + sum(end - begin for begin, end in unseen)
    return spell.age > silent + LATE * around.interval + around.slack
