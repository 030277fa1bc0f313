"""Gaps in listening, and canaries slower than a member's pushes, keep members from being heard. Pure.

After a gap, agents that live need up to an interval and a push to come back, for they never back
off beyond their next beat. So no silence completes before an *allowance* is over: two intervals and
a push, the second interval for a push that gets lost in the rush of all coming back. Where the next
gap comes before that, the *chances* of a member add up: each stretch of listening in which every
agent of its interval has begun and ended a push, whenever its beats are due, is one. A member that
was not heard in ENOUGH of them had its allowance in pieces, and gets no other one.

A canary that took longer than a member waits for a push says nothing about what that member's
pushes could do. Such a sweep is a gap for it alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.members import (
    IS_UNDECIDED,
    Code,
    Mask,
    Members,
    Rows,
    Seconds,
    slices,
)
from musterd_coordinator.judge.rules import Rules

ENOUGH = 3
"""Chances that are as good as a whole allowance. Each may be spoiled by the rush after its gap."""

LOOKS = 3
"""Intervals more, where agents must see another challenge first: they look with every third beat."""

WHOLE = 2
"""Pushes in one stretch of listening that are a whole allowance."""


def _nobody() -> Rows:
    return np.empty(0, np.int64)


@dataclass(slots=True)
class _Hearing:
    """A `_Hearing` is how one shard's members were heard.

    ``began`` is the listening time when the last gap ended.
    """

    began: float = 0.0
    resumed_at: float = inf  # the same in monotonic seconds
    deaf: Rows = field(
        default_factory=_nobody
    )  # members that give pushes less time than the newest canary took
    deaf_before: Rows = field(
        default_factory=_nobody
    )  # and those that were so at some time since the gap
    put_off_since: float | None = None  # monotonic seconds, as the next
    deaf_since: float | None = None
    unseen: bool = False  # must agents see another challenge before they can be heard?


class Gaps:
    """`Gaps` moves the silence of members that could not have been heard."""

    def __init__(self, members: Members, clocks: Sequence[ListeningClock], rules: Rules) -> None:
        self.rules = rules
        self.marks = False  # might any member have chances, or be put off?
        self.is_anybody_deaf = False  # on any shard; each question about one member asks for it
        self._members = members
        self._clocks = clocks
        self._shards = [_Hearing() for _ in clocks]

    def add_shard(self) -> None:
        """Begin with one shard more."""
        self._shards.append(_Hearing())

    def advance(
        self, shard: int, step: Step, listened: float, canary: float, now: float
    ) -> Iterator[None]:
        """Take in, in steps, that a sweep of ``shard`` moved its clock by ``listened`` seconds.

        The sweep began at ``now``, and its canary was accepted after ``canary`` seconds.
        """
        if step is Step.STOOD_STILL:
            return
        hearing, deaf = self._shards[shard], self._hasty(shard, canary)
        if step is Step.RESUMED:
            yield from self._resume(shard, now)
        elif len(deaf) or len(hearing.deaf):
            self._pass_over(shard, deaf, listened)
        hearing.deaf = deaf
        self.is_anybody_deaf = any(len(each.deaf) for each in self._shards)
        hearing.deaf_since = None if not len(deaf) else hearing.deaf_since or now
        self._clocks[shard].mostly_deaf = self._are_most(shard, deaf, now)

    def wait_for_challenge(self, shard: int) -> None:
        """Note that no beat in ``shard`` is fresh before its agent saw another challenge."""
        self._shards[shard].unseen = True

    def reset(self, rows: Rows) -> None:
        """Reset what members in ``rows`` are spared: they have new beats."""
        if self.marks:
            self._members.chances[:, rows] = 0
            self._members.put_off[rows] = False

    def deaf(self, shard: int) -> Rows:
        """Return rows that the newest sweep of ``shard`` cannot judge: they wait less than its canary."""
        return self._shards[shard].deaf

    def hearing(self, shard: int, rows: Rows) -> Rows:
        """Return ``rows`` without those that :meth:`deaf` has."""
        return self._but(rows, self._shards[shard].deaf)

    def is_deaf(self, row: int) -> bool:
        """Say whether :meth:`deaf` has one member on any shard."""
        for each in self._shards:
            at = int(np.searchsorted(each.deaf, row))
            if at < len(each.deaf) and each.deaf.item(at) == row:
                return True
        return False

    def deaf_since(self, shard: int) -> float | None:
        """Return since when :meth:`deaf` always had some member; monotonic seconds."""
        return self._shards[shard].deaf_since

    def put_off(self, shard: int) -> Rows:
        """Return the rows with a verdict on ``shard`` that waits for an allowance after a gap."""
        members = self._members
        if not self.marks:
            return _nobody()
        rows = np.flatnonzero(members.put_off[members.used])
        return rows[IS_UNDECIDED[members.state[rows]] & members.on(shard, rows)]

    def put_off_since(self, shard: int) -> float | None:
        """Return since when :meth:`put_off` always had some member; monotonic seconds."""
        return self._shards[shard].put_off_since

    def _hasty(self, shard: int, canary: float) -> Rows:
        members = self._members
        rows = np.flatnonzero(members.push_timeout[members.used] < canary)
        if not len(rows):
            return _nobody()
        return rows[IS_UNDECIDED[members.state[rows]] & members.on(shard, rows)]

    def _are_most(self, shard: int, deaf: Rows, now: float) -> bool:
        """Say whether those in ``deaf`` are more than half of the members that were heard of late."""
        members = self._members
        if not len(deaf):
            return False
        lately = members.heard_at[members.used] > now - 2 * members.down_after[members.used]
        lately &= members.on(shard, members.used)
        return bool(2 * np.count_nonzero(lately[deaf]) > np.count_nonzero(lately))

    def _pass_over(self, shard: int, deaf: Rows, listened: float) -> None:
        """Let the clock stand still for members that are deaf, or were until now."""
        members, hearing = self._members, self._shards[shard]
        either = self._either(deaf, hearing.deaf)
        for place in range(members.replicas):
            here = either[members.shard[place, either] == shard]
            members.heard[place, here] += listened
        hearing.deaf_before = self._either(hearing.deaf_before, either)
        self._allow(shard, self._but(hearing.deaf, deaf))

    def _either(self, some: Rows, others: Rows) -> Rows:
        """Return what is in one of two sets of rows, in ascending order."""
        either = self._are_in(some)
        either[others] = True
        return np.flatnonzero(either)

    def _but(self, some: Rows, others: Rows) -> Rows:
        """Return ``some`` without ``others``."""
        return some[~self._are_in(others)[some]] if len(others) else some

    def _are_in(self, rows: Rows) -> Mask:
        """Say of each row, of all there are, whether it is one of ``rows``."""
        are_in: Mask = np.zeros(self._members.size, np.bool_)
        are_in[rows] = True
        return are_in

    def _resume(self, shard: int, now: float) -> Iterator[None]:
        """Begin to listen after a gap, in steps.

        A member that comes to the shard between two steps is heard from its clock's time on, as
        after a gap.
        """
        members, hearing = self._members, self._shards[shard]
        deaf_before = self._are_in(hearing.deaf_before)
        for among in slices(members.size):
            here = among.start + np.flatnonzero(IS_UNDECIDED[members.state[among]])
            here = here[members.on(shard, here)]
            self._credit(shard, here, deaf_before)
            self._allow(shard, here, LOOKS * hearing.unseen)
            yield
        hearing.unseen = False
        hearing.began, hearing.deaf_before = self._clocks[shard].time, _nobody()
        hearing.resumed_at = now
        self.marks = bool(members.put_off.any() or members.chances.any())
        if not len(self.put_off(shard)):
            hearing.put_off_since = None
        elif hearing.put_off_since is None:
            hearing.put_off_since = now

    def _credit(self, shard: int, rows: Rows, deaf_before: Mask) -> None:
        """Count the chances that members had between the last two gaps, and were not heard in.

        By row, ``deaf_before`` are those that were deaf at some time between them.

        Where a gap came before, no silence may be due to anything else that befell the member
        there.
        """
        members, hearing, time = self._members, self._shards[shard], self._clocks[shard].time
        if time <= hearing.began:
            return
        pushes = np.floor(
            (time - hearing.began - members.push_timeout[rows]) / self._intervals(rows)
        )
        for place in range(members.replicas):
            gained = np.where(pushes >= WHOLE, ENOUGH, pushes >= 1)
            gained[~self._unheard(place, rows, hearing)] = 0
            gained[members.shard[place, rows] != shard] = 0
            gained[deaf_before[rows]] = 0
            chances = members.chances[place, rows] + gained
            members.chances[place, rows] = np.minimum(chances, ENOUGH)

    def _unheard(self, place: int, rows: Rows, hearing: _Hearing) -> Mask:
        """Say which of ``rows`` were not heard since the last gap, and were awaited before it."""
        members = self._members
        heard_at, heard = members.heard_at[rows], members.heard[place, rows]
        never = np.isnan(heard_at) & (members.put_off[rows] | (heard < hearing.began))
        unheard: Mask = never | (heard_at < hearing.resumed_at)
        return unheard

    def _allow(self, shard: int, rows: Rows, more: int = 0) -> None:
        """Leave ``rows`` an allowance of silence on ``shard``, however silent they were before."""
        members, time = self._members, self._clocks[shard].time
        verdict_at = members.down_after[rows]
        verdict_at[members.state[rows] == Code.SUSPECT] += self.rules.storm_hold
        latest = time - verdict_at + (2 + more) * self._intervals(rows) + members.push_timeout[rows]
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
