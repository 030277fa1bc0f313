"""Members get the state that their newest beat asks for, but for mass goodbyes. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd_coordinator.judge.gaps import Gaps
from musterd_coordinator.judge.goodbyes import Goodbyes
from musterd_coordinator.judge.mass import Going, Mass, weighed
from musterd_coordinator.judge.members import Code, Mask, Members, Rows, Seconds
from musterd_coordinator.judge.silences import is_living
from musterd_coordinator.judge.transitions import Cause, StateChanges, StateClaims
from musterd_coordinator.steps import Steps

ASKED = np.full(256, Code.UP, np.uint8)
"""By status: the state that a beat asks for."""
ASKED[Status.CHECK_FAILING], ASKED[Status.LEAVING] = Code.DOWN, Code.LEFT

_FIRST_BEAT, _BEAT = np.uint8(Cause.FIRST_BEAT), np.uint8(Cause.BEAT)


class _StateClaim(NamedTuple):
    """These members in ``rows`` (n) want to go from ``old`` to ``new`` (n), by ``cause`` (n)."""

    rows: Rows
    old: NDArray[np.uint8]
    new: NDArray[np.uint8]
    cause: NDArray[np.uint8]

    @property
    def is_goodbye(self) -> Mask:
        """Say which of them are there, and want to go."""
        goodbye: Mask = (self.new != Code.UP) & is_living(self.old)
        return goodbye


class WeighedClaims(NamedTuple):
    """These are ``claims`` of members ``asking``, by portion, and what of their zones goes."""

    asking: Sequence[StateClaims]
    claims: Sequence[_StateClaim]
    mass: Mass


class ClaimJudge:
    """A `ClaimJudge` grants what beats ask for.

    ``times`` are the listening times of all shards, and one for NO_SHARD.
    """

    def __init__(self, members: Members, gaps: Gaps, times: Seconds) -> None:
        self._members = members
        self._gaps = gaps
        self._times = times
        self._goodbyes = Goodbyes(members)

    def weigh(self, asking: Sequence[StateClaims]) -> Steps[WeighedClaims]:
        """Return what is asked for, and how much of each zone with a goodbye says so now or of late."""
        claims = list[_StateClaim]()
        for each in asking:
            claims.append(self._claim(each))
            yield
        members, rules, time = self._members, self._gaps.rules, float(self._times.max())
        leaving = [claim.rows[claim.is_goodbye] for claim in claims]
        going = self._goers(leaving)
        return WeighedClaims(
            asking, claims, (yield from weighed(members, rules, time, leaving, going))
        )

    def grant(self, weighed: WeighedClaims) -> list[StateChanges]:
        """Give members the states that they ask for, if the runs that asked are still the current ones.

        Members that want to go with too many others of their zones become suspects.
        """
        claims = list(map(self._as_of_now, weighed.asking, weighed.claims))
        for claim in claims:
            self._goodbyes.retract(claim.rows[(claim.new == Code.UP) & (claim.old != Code.UP)])
        for claim in claims:
            self._hold_goodbyes(claim, weighed.mass)
        return [self._grant(claim) for claim in claims]

    def _goers(self, leaving: Sequence[Rows]) -> Going:
        gone = np.zeros(self._members.size, np.bool_)
        for rows in leaving:
            gone[rows] = True
        if gone.any():
            gone[self._goodbyes.recent(self._times, self._gaps.rules.service_down_time)] = True

        def going(rows: Rows) -> tuple[Mask, Mask]:
            return gone[rows], gone[rows] | is_living(self._members.state[rows])

        return going

    def end_goodbyes(self) -> list[StateChanges]:
        """Grant the held goodbyes of members that say the same now that the hold is over."""
        rules = self._gaps.rules
        rows = self._goodbyes.expire(self._times, rules.storm_hold, rules.service_down_time)
        if not len(rows):
            return []
        cause = np.full(len(rows), Cause.GOODBYE_OVER, np.uint8)
        old, new = self._members.state[rows], ASKED[self._members.status[rows]]
        return [self._grant(_StateClaim(rows, old, new, cause))]

    def are_held(self, rows: Rows) -> Mask:
        """Say which of ``rows`` are held because they said goodbye."""
        return self._goodbyes.are_held(rows)

    def hold_left(self, rows: Rows, left: Seconds) -> None:
        """Set how many seconds of listening are ``left`` (n), where goodbyes of ``rows`` (n) are held."""
        for held, remaining in self._goodbyes.pending(self._times, self._gaps.rules.storm_hold):
            order = np.argsort(rows)
            at = np.searchsorted(rows, held, sorter=order)
            known = at < len(rows)
            places = order[at[known]]
            same = rows[places] == held[known]
            left[places[same]] = remaining[known][same]

    def _claim(self, asking: StateClaims) -> _StateClaim:
        members = self._members
        same = members.incarnation[asking.rows] == asking.incarnation
        rows, status = asking.rows[same], asking.status[same]
        old, new = members.state[rows], ASKED[status]
        cause = np.where(old == Code.UNKNOWN, _FIRST_BEAT, _BEAT)
        cause[status == Status.CHECK_FAILING] = Cause.CHECK_FAILING
        cause[status == Status.LEAVING] = Cause.LEAVING
        return _StateClaim(rows, old, new, cause)

    def _as_of_now(self, asking: StateClaims, claim: _StateClaim) -> _StateClaim:
        members = self._members
        asks = np.array_equal(members.incarnation[asking.rows], asking.incarnation)
        stands = asks and np.array_equal(members.state[claim.rows], claim.old)
        return claim if stands else self._claim(asking)

    def _hold_goodbyes(self, claim: _StateClaim, mass: Mass) -> None:
        going = np.flatnonzero(claim.is_goodbye)
        if not len(going):
            return
        too_many = mass.are_in(claim.rows[going])
        held, gone = going[too_many], claim.rows[going[~too_many]]
        claim.new[held], claim.cause[held] = Code.SUSPECT, Cause.MASS_GOODBYE
        rows = claim.rows[held]
        self._goodbyes.add(rows[~self._goodbyes.are_held(rows)], self._times, held=True)
        self._goodbyes.add(gone, self._times, held=False)

    def _grant(self, claim: _StateClaim) -> StateChanges:
        differ = (claim.old != claim.new) & (claim.old != Code.FREE)
        rows, old, new, cause = claim if differ.all() else (each[differ] for each in claim)
        self._members.state[rows] = new
        self._members.confirmed[rows] = False
        return StateChanges(rows, old, new, cause, np.zeros(len(rows)))  # no silence is why
