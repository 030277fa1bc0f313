"""Who could not have been heard: gaps in listening, and canaries slower than a member's pushes. Pure.

After a gap, agents that live need up to an interval and a push to come back, for they never back off
beyond their next beat. So nobody's silence completes before an *allowance* is over: two intervals and
a push, the second interval for a push that gets lost in the rush of all coming back. Where the next
gap comes before that, the *chances* of a member add up: each stretch of listening in which every agent
of its interval has begun and ended a push, whenever its beats are due, is one. Whoever was not heard
in ENOUGH of them had its allowance in pieces, and gets no other one.

A canary that took longer than a member waits for a push says nothing about what that member's
pushes could do. Such a sweep is a gap for it alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from musterd_coordinator.listening import ListeningClock, Step
from musterd_coordinator.members import IS_UNDECIDED, Code, Mask, Members, Rows, Seconds
from musterd_coordinator.rules import Rules

ENOUGH = 3
"""Chances that are as good as a whole allowance. Each may be spoiled by the rush after its gap."""

WHOLE = 2
"""Pushes in one stretch of listening that are a whole allowance."""


def _nobody() -> Rows:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class _Hearing:
    """How one shard's members were heard; ``began`` is the listening time when the last gap ended."""

    began: float = 0.0
    resumed_at: float = inf  # the same in monotonic seconds
    deaf: Rows = field(
        default_factory=_nobody
    )  # whose pushes are given less time than the newest canary took
    deaf_before: Rows = field(
        default_factory=_nobody
    )  # and those who were so at some time since the gap
    put_off_since: float | None = None  # monotonic seconds, as the next
    deaf_since: float | None = None


class Gaps:
    """Moves the silence of those who could not have been heard."""

    def __init__(self, members: Members, clocks: Sequence[ListeningClock], rules: Rules) -> None:
        self.rules = rules
        self.marks = False  # might anybody have chances, or be put off?
        self.is_anybody_deaf = False  # on any shard; each question about one member asks for it
        self._members = members
        self._clocks = clocks
        self._shards = [_Hearing() for _ in clocks]

    def take(self, shard: int, step: Step, listened: float, canary: float, now: float) -> None:
        """A sweep of ``shard`` that began at ``now`` moved its clock by ``listened`` seconds.

        Its canary was accepted after ``canary`` seconds.
        """
        if step is Step.STOOD_STILL:
            return
        hearing, deaf = self._shards[shard], self._hasty(shard, canary)
        if step is Step.RESUMED:
            self._resume(shard, now)
        elif len(deaf) or len(hearing.deaf):
            self._pass_over(shard, deaf, listened)
        hearing.deaf = deaf
        self.is_anybody_deaf = any(len(each.deaf) for each in self._shards)
        hearing.deaf_since = None if not len(deaf) else hearing.deaf_since or now
        self._clocks[shard].mostly_deaf = self._are_most(shard, deaf, now)

    def heard(self, rows: Rows) -> None:
        """New beats of members in ``rows``: what they were spared is over."""
        if self.marks:
            self._members.chances[:, rows] = 0
            self._members.put_off[rows] = False

    def deaf(self, shard: int) -> Rows:
        """Whom the newest sweep of ``shard`` could not judge, for they wait less than its canary."""
        return self._shards[shard].deaf

    def is_deaf(self, row: int) -> bool:
        """Whether that is so of one member on any shard."""
        for each in self._shards:
            at = int(np.searchsorted(each.deaf, row))
            if at < len(each.deaf) and each.deaf.item(at) == row:
                return True
        return False

    def deaf_since(self, shard: int) -> float | None:
        """Since when there was always somebody such; monotonic seconds."""
        return self._shards[shard].deaf_since

    def put_off(self, shard: int) -> Rows:
        """Whose verdict on ``shard`` waits for an allowance after a gap."""
        members = self._members
        if not self.marks:
            return _nobody()
        rows = np.flatnonzero(members.put_off[members.used])
        return rows[IS_UNDECIDED[members.state[rows]] & members.on(shard, rows)]

    def put_off_since(self, shard: int) -> float | None:
        """Since when there was always somebody such; monotonic seconds."""
        return self._shards[shard].put_off_since

    def _hasty(self, shard: int, canary: float) -> Rows:
        members = self._members
        rows = np.flatnonzero(members.push_timeout[members.used] < canary)
        if not len(rows):
            return _nobody()
        return rows[IS_UNDECIDED[members.state[rows]] & members.on(shard, rows)]

    def _are_most(self, shard: int, deaf: Rows, now: float) -> bool:
        """Are those in ``deaf`` more than half of those who were heard of late?"""
        members = self._members
        if not len(deaf):
            return False
        lately = members.heard_at[members.used] > now - 2 * members.down_after[members.used]
        lately &= members.on(shard, members.used)
        return bool(2 * np.count_nonzero(lately[deaf]) > np.count_nonzero(lately))

    def _pass_over(self, shard: int, deaf: Rows, listened: float) -> None:
        """For those who are deaf, or were until now, the clock stood still."""
        members, hearing = self._members, self._shards[shard]
        either = np.union1d(deaf, hearing.deaf)
        for place in range(members.replicas):
            here = either[members.shard[place, either] == shard]
            members.heard[place, here] += listened
        hearing.deaf_before = np.union1d(hearing.deaf_before, either)
        self._allow(shard, np.setdiff1d(hearing.deaf, deaf))

    def _resume(self, shard: int, now: float) -> None:
        members, hearing = self._members, self._shards[shard]
        undecided = np.flatnonzero(IS_UNDECIDED[members.state[members.used]])
        here = undecided[members.on(shard, undecided)]
        self._credit(shard, here)
        self._allow(shard, here)
        hearing.began, hearing.deaf_before = self._clocks[shard].time, _nobody()
        hearing.resumed_at = now
        self.marks = bool(members.put_off.any() or members.chances.any())
        if not len(self.put_off(shard)):
            hearing.put_off_since = None
        elif hearing.put_off_since is None:
            hearing.put_off_since = now

    def _credit(self, shard: int, rows: Rows) -> None:
        """Count the chances that members had between the last two gaps, and were not heard in.

        Where a gap came before, nobody's silence may be due to anything else that befell it there.
        """
        members, hearing, time = self._members, self._shards[shard], self._clocks[shard].time
        if time <= hearing.began:
            return
        pushes = np.floor(
            (time - hearing.began - members.push_timeout[rows]) / self._intervals(rows)
        )
        deaf = np.isin(rows, hearing.deaf_before) if len(hearing.deaf_before) else None
        for place in range(members.replicas):
            gained = np.where(pushes >= WHOLE, ENOUGH, pushes >= 1)
            gained[~self._unheard(place, rows, hearing)] = 0
            gained[members.shard[place, rows] != shard] = 0
            if deaf is not None:
                gained[deaf] = 0
            chances = members.chances[place, rows] + gained
            members.chances[place, rows] = np.minimum(chances, ENOUGH)

    def _unheard(self, place: int, rows: Rows, hearing: _Hearing) -> Mask:
        """Who was not heard since the last gap, and was awaited before it."""
        members = self._members
        heard_at, heard = members.heard_at[rows], members.heard[place, rows]
        never = np.isnan(heard_at) & (members.put_off[rows] | (heard < hearing.began))
        unheard: Mask = never | (heard_at < hearing.resumed_at)
        return unheard

    def _allow(self, shard: int, rows: Rows) -> None:
        """Leave ``rows`` an allowance of silence on ``shard``, however silent they were before."""
        members, time = self._members, self._clocks[shard].time
        verdict_at = members.down_after[rows]
        verdict_at[members.state[rows] == Code.SUSPECT] += self.rules.storm_hold
        latest = time - verdict_at + 2 * self._intervals(rows) + members.push_timeout[rows]
        for place in range(members.replicas):
            spared = members.heard[place, rows] < latest
            spared &= members.shard[place, rows] == shard
            spared &= members.chances[place, rows] < ENOUGH
            members.heard[place, rows[spared]] = latest[spared]
            members.put_off[rows[spared]] = True
            self.marks |= bool(spared.any())

    def _intervals(self, rows: Rows) -> Seconds:
        known = self._members.interval[rows].astype(np.float64)
        known[known == 0] = self.rules.interval
        return known
