"""Who was alive: what a judge said of a member is held against the member's own beats. Pure.

A member whose beats went on through a spell in which it was called dead, or that came back as the
same run of its agent, lived. Services of Nova that are watched have no runs: one that came back
within two down times of listening lived; after longer it may have been restarted.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from math import inf
from typing import NamedTuple

from musterd.model import State
from musterd.report.spells import Spell, seconds_within
from musterd.trace.recording import Said, Silence, Span

PATIENCE = 2
"""Down times of listening after which who comes back without a run of its own may have been restarted."""


OWN_WORDS = ("check_failing", "goodbye_over")
"""Reasons of musterd's for calling a member down that said so itself, and may well live."""


class Truth(StrEnum):
    """A `Truth` is what became of a member that was called dead."""

    LIVED = "lived"
    RETURNED = "came back later"  # and may have been restarted
    DIED = "died"
    LEFT = "left"  # and had said so
    UNKNOWN = "unknown"  # it was not heard before


class Life(NamedTuple):
    """A `Life` is what was heard of one member.

    ``silences`` are in order; the first beat that was heard came at ``heard``. ``left`` are the
    times for which it had said goodbye, ``deaf`` those for which its shard was not listened to.
    """

    silences: Sequence[Silence]
    heard: float
    left: Sequence[Span]
    deaf: Sequence[Span]

    def silence_at(self, t: float) -> Silence | None:
        """Return the silence in which it was at ``t``; None while its beats went on."""
        at = bisect_right(self.silences, t, key=lambda each: each.last) - 1
        if at < 0:
            return None
        one = self.silences[at]
        return one if one.until is None or t < one.until else None

    def truth_of(self, spell: Spell, down_time: float, *, has_runs: bool) -> Truth:
        """Return what became of it when it was called dead in ``spell``."""
        if spell.begin < self.heard:
            return Truth.UNKNOWN
        if any(begin <= spell.begin <= end for begin, end in self.left):
            return Truth.LEFT
        silence = self.silence_at(spell.begin)
        return (
            Truth.LIVED if silence is None else self.end_of(silence, down_time, has_runs=has_runs)
        )

    def end_of(self, silence: Silence, down_time: float, *, has_runs: bool) -> Truth:
        """Return what became of it in one ``silence``."""
        if silence.until is None or silence.restarted:
            return Truth.DIED
        if has_runs:
            return Truth.LIVED
        span = (silence.last, silence.until)
        listened = span[1] - span[0] - seconds_within(self.deaf, span)
        return Truth.LIVED if listened <= PATIENCE * down_time else Truth.RETURNED


def heard_from(said: Sequence[Said], silences: Sequence[Silence], known: float = inf) -> float:
    """Return when a member was first heard; inf: never. ``known``: it was up then.

    A coordinator that starts takes verdicts from its registry. One whose member is down later, though no
    silence of it is told of, did not hear it in between.
    """
    last = silences[0].last if silences else inf
    unheard = max((each.t for each in said if is_by_silence(each) and each.t < last), default=-inf)
    ups = (each.t for each in said if each.word in (State.UP, State.SUSPECT))
    up = next((t for t in ups if t > unheard), inf)
    return min(last, up, known if unheard == -inf else inf)


def is_by_silence(said: Said) -> bool:
    """Say whether musterd said that a member is down, and not the member itself."""
    return said.word == State.DOWN and said.reason not in OWN_WORDS
