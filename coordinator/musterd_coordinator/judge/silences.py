"""A member that was silent for long enough is judged here: it is down, suspect or left then. Pure.

A member goes down only by a proven sweep, when its silence on that shard is complete. When too much
of a zone falls silent at once it becomes suspect instead, and down only after a hold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd_coordinator.judge.contests import Contests
from musterd_coordinator.judge.gaps import Gaps
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.mass import Mass, weighed
from musterd_coordinator.judge.members import (
    IS_UNDECIDED,
    NO_SHARD,
    Code,
    Mask,
    Members,
    Rows,
    Seconds,
)
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.steps import Steps


class Due(NamedTuple):
    """These are members in ``rows`` (n) to judge, last ``heard`` (replicas, n) at these listening times."""

    rows: Rows
    heard: Seconds


class SilenceVerdicts(NamedTuple):
    """These are ``changes`` of n members that were due when last ``heard`` at these listening times."""

    changes: StateChanges
    heard: Seconds


class SilenceJudge:
    """A `SilenceJudge` judges silence, member by member.

    ``times`` are the listening times of all shards, and one for NO_SHARD.
    """

    def __init__(
        self, members: Members, gaps: Gaps, clocks: Sequence[ListeningClock], times: Seconds
    ) -> None:
        self._members = members
        self._gaps = gaps
        self._clocks = clocks
        self._times = times
        self.contests = Contests(members, times, len(clocks))

    def silence(self, rows: Rows | slice) -> Seconds:
        """Return the seconds of listening without a new beat, the largest over a member's shards."""
        shard = self._members.shard[:, rows]
        silence = self._times[shard] - self._members.heard[:, rows]
        longest: Seconds = np.where(shard == NO_SHARD, 0.0, silence).max(axis=0)
        return np.maximum(longest, 0.0)

    def silence_of(self, row: int) -> float:
        """Return :meth:`silence` of one row."""
        members, longest = self._members, 0.0
        for place in range(members.replicas):  # each question about one member comes here
            shard = members.shard.item(place, row)
            if shard != NO_SHARD:
                silence = self._times.item(shard) - members.heard.item(place, row)
                longest = max(longest, silence)
        return longest

    def storm_silence(self, rows: Rows) -> Seconds:
        """Return the silence at which suspects are held no longer."""
        silence: Seconds = self._members.down_after[rows] + self._gaps.rules.storm_hold
        return silence

    def due(self, shard: int, among: slice) -> Due:
        """Return the rows ``among`` all with a silence on ``shard`` that is complete, and changes them."""
        # To compare all with one number takes half the time, and none is judged sooner than that.
        shortest = self._gaps.rules.service_down_time
        rows: Rows = among.start + np.flatnonzero(self._is_silent(shard, among, shortest))
        if len(rows):
            rows = self._undecided(shard, rows)
        return Due(rows, self._members.heard[:, rows])

    def _undecided(self, shard: int, silent: Rows) -> Rows:
        """Return those whose silence on ``shard`` is complete, by all that they promised, and unheld."""
        rows = silent[IS_UNDECIDED[self._members.state[silent]]]
        rows = rows[self._is_silent(shard, rows)]
        rows = rows[~self._are_held(rows)]
        return rows[~self.contests.are_held(rows, self.silence(rows))] if len(rows) else rows

    def weigh(self, due: Sequence[Due]) -> Steps[list[SilenceVerdicts]]:
        """Judge those that are ``due``, in portions, by how much of their zones falls silent."""
        members, rules = self._members, self._gaps.rules
        up = [each.rows[members.state[each.rows] == Code.UP] for each in due]
        mass = yield from weighed(members, rules, float(self._times.max()), up, self._falling)
        verdicts = list[SilenceVerdicts]()
        for each in due:
            verdicts.append(SilenceVerdicts(self._verdicts(each.rows, mass), each.heard))
            yield
        return verdicts

    def judge(self, verdicts: Sequence[SilenceVerdicts]) -> list[StateChanges]:
        """Carry out ``verdicts`` on all that are as they were, and were not heard since they were due."""
        return [self._carry_out(each) for each in verdicts]

    def _are_held(self, rows: Rows) -> Mask:
        held: Mask = self._members.state[rows] == Code.SUSPECT
        suspects = rows[held]
        held[held] = self.silence(suspects) < self.storm_silence(suspects)
        held &= ~self._members.confirmed[rows]
        return held

    def _verdicts(self, rows: Rows, mass: Mass) -> StateChanges:
        members, silence = self._members, self.silence(rows)
        old = members.state[rows]
        new = np.full(len(rows), Code.DOWN, np.uint8)
        cause = np.full(len(rows), Cause.SILENT, np.uint8)
        cause[self.contests.are_contested(rows)] = Cause.OVERWRITTEN
        cause[old == Code.UNKNOWN] = Cause.NEVER_BEAT
        cause[old == Code.SUSPECT] = Cause.HOLD_OVER
        cause[members.confirmed[rows]] = Cause.CONFIRMED  # none but suspects ever are
        stormy = (old == Code.UP) & mass.are_in(rows)
        new[stormy], cause[stormy] = Code.SUSPECT, Cause.MASS_SILENCE
        left = (members.status[rows] == Status.LEAVING) & (new != Code.SUSPECT)
        new[left], cause[left & (old != Code.SUSPECT)] = Code.LEFT, Cause.LEAVING
        return StateChanges(rows, old, new, cause, silence)

    def _carry_out(self, verdicts: SilenceVerdicts) -> StateChanges:
        changes, members = verdicts.changes, self._members
        rows = changes.rows
        same = np.logical_and.reduce(members.heard[:, rows] == verdicts.heard)
        same &= members.state[rows] == changes.old
        if not same.all():
            changes = changes.where(same)
        members.state[changes.rows] = changes.new
        members.confirmed[changes.rows] = False
        return changes

    def _is_silent(
        self, shard: int, among: Rows | slice, down_after: Seconds | float | None = None
    ) -> Mask:
        members = self._members
        if down_after is None:
            down_after = members.down_after[among]
        heard_before = self._clocks[shard].time - down_after
        on_it, silent = members.shard[:, among] == shard, members.heard[:, among] <= heard_before
        somewhere: Mask = np.logical_or.reduce(on_it & silent)
        return somewhere

    def _falling(self, rows: Rows) -> tuple[Mask, Mask]:
        """Say which of ``rows`` fall silent together, or have just fallen; and those or the living.

        A member counts as falling if it has been silent for half the service_down_time by now (the
        rest of a cut-off rack completes its silence an interval later than its first member), or if
        it completed its silence within the last service_down_time.
        """
        members, silence, states = self._members, self.silence(rows), self._members.state[rows]
        living = is_living(states)
        down_time = members.down_after[rows]
        half = np.maximum(down_time / 2, 1.5 * members.interval[rows])
        fallen = (states == Code.DOWN) & (silence >= down_time) & (silence < 2 * down_time)
        falling = (living & (silence >= np.minimum(half, down_time))) | fallen
        return falling, living | fallen


def is_living(states: NDArray[np.uint8]) -> Mask:
    """Say which of ``states`` (n) are those of members that are there, as far as is known."""
    living: Mask = (states == Code.UP) | (states == Code.SUSPECT)
    return living
