"""The module tells how well the members of a roll are heard, and what holds verdicts back.

Nothing here changes the roll.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from musterd.status import StormStatus
from musterd_coordinator.judge.contests import PATIENCE
from musterd_coordinator.judge.members import IS_UNDECIDED, Rows, Seconds
from musterd_coordinator.roll import coverage
from musterd_coordinator.roll.freshness import Freshness
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.shard import ShardHealth, ShardState, wall_instant
from musterd_coordinator.roll.storms import storms
from musterd_coordinator.roll.wording import (
    clamped_text,
    contested_text,
    deaf_text,
    put_off_text,
    spoiled_text,
    unheard_text,
)
from musterd_coordinator.steps import Steps


class Held(NamedTuple):
    """A `Held` has the members of ``rows`` (n), for which verdicts, or promises, are held back."""

    rows: Rows
    since: datetime
    left: float = 0.0  # seconds of listening until the last of them is judged, where that is known


class Hearing:
    """A `Hearing` is a read-only view of a roll's shards, and of members that are heard badly.

    Shards are told apart by their places in ``shards``.
    """

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts
        self._detector, self._gaps = parts.detector, parts.detector.gaps
        self._freshness = Freshness(parts)

    # -- shards --------------------------------------------------------------------------

    @property
    def shards(self) -> Sequence[ShardHealth]:
        """Return each of the shards as it is now."""
        return self._parts.shards

    @property
    def listening(self) -> list[bool]:
        """Say of each shard whether it is listening."""
        return [shard.listening for shard in self._parts.shards]

    def staleness(self, shard: int) -> float | None:
        """Return the seconds since ``shard``'s newest proven sweep began; None before the first."""
        return self._parts.shards[shard].staleness(self._parts.clocks)

    def freshness(self, group: str | None) -> tuple[bool, float | None]:
        """Say whether every member concerned is heard, and how old the proof for the worst off is.

        The age of its newest proof is in seconds; None: there is none yet.
        """
        return self._freshness.assess(group)

    def uncovered(self) -> int:
        """Return how many members have no shard that is listening."""
        return coverage.uncovered(self._parts.placement.coverage.all, self.listening)

    def uncovered_on(self, shard: int) -> int:
        """Return how many of those beat to ``shard``."""
        everybody = self._parts.placement.coverage.all
        theirs = {at: count for at, count in everybody.items() if shard in at}
        return coverage.uncovered(theirs, self.listening)

    def redundancy_lost(self) -> list[str]:
        """Return the shards that are not listening but have members heard on another one."""
        placed, shards = self._parts.placement.coverage.all, self._parts.shards
        return [shards[at].name for at in coverage.redundancy_lost(placed, self.listening)]

    # -- what is held back ---------------------------------------------------------------

    @property
    def is_everybody_heard(self) -> bool:
        """Say whether no member's verdict is held back by a shard, or by the canary of one."""
        for shard in self._parts.shards:  # asked with each member: all() takes twice as long
            if not shard.clock.listening:
                return False
        return not self._gaps.is_anybody_deaf

    def put_off(self, shard: int) -> Held | None:
        """Return the members with verdicts on ``shard`` that wait for an allowance after a gap."""
        rows, since = self._gaps.put_off(shard), self._gaps.put_off_since(shard)
        if not len(rows) or since is None:
            return None
        left = self._detector.members.down_after[rows] - self._detector.silence(rows)
        return Held(rows, self._parts.clocks.instant(since), max(0.0, float(left.max())))

    def deaf(self, shard: int) -> Held | None:
        """Return the members that the newest sweep of ``shard`` could not judge.

        They wait less for a push than its canary took.
        """
        rows, since = self._gaps.deaf(shard), self._gaps.deaf_since(shard)
        if not len(rows) or since is None:
            return None
        return Held(rows, self._parts.clocks.instant(since))

    def contested(self, shard: int) -> Held | None:
        """Return which members are held as their records on ``shard`` are overwritten."""
        contests = self._detector.silences.contests
        rows, since = contests.rows(shard), contests.since(shard)
        if not len(rows) or since is None:
            return None
        return Held(rows, self._parts.clocks.instant(since), float(self._patience(rows).max()))

    def given_up(self, shard: int) -> Held | None:
        """Return the members with records on ``shard`` that are no beats of theirs.

        This has been so for so long that these members count as silent.
        """
        state = self._parts.shards[shard]
        seated = [state.seats.row_in(slot) for slot in state.spoiled.given_up.tolist()]
        rows = np.array([row for row in seated if row is not None], np.int64)
        if not len(rows):
            return None
        return Held(rows, self._parts.clocks.instant(state.spoiled.given_up_since))

    def clamped(self) -> Held | None:
        """Return the members with promises that are held to what an agent may be set to."""
        notices = self._parts.notices
        rows, since = notices.clamped, notices.clamped_since
        return None if since is None or not len(rows) else Held(rows, wall_instant(since))

    @property
    def not_seated(self) -> int:
        """Return how many newcomers found no room, as far as is known."""
        return self._parts.admission.not_seated

    @property
    def waiting_since(self) -> datetime | None:
        """Return when a member first had to wait for room."""
        since = self._parts.admission.waiting_since
        return None if since is None else wall_instant(since)

    @property
    def judged_later(self) -> int:
        """Return how many members are judged later than after the service down time."""
        return len(self._parts.notices.later)

    @property
    def latest_down_after(self) -> float:
        """Return the longest that a member may be silent, in seconds; 0: none is judged later."""
        return self._parts.notices.latest_down_after

    def storms(self) -> Steps[list[StormStatus]]:
        """Return the mass silences that are held, in steps."""
        return storms(self._detector, self._parts.directory.zones)

    # -- in words ------------------------------------------------------------------------

    def withheld(self, row: int) -> str:
        """Return what to add to a reason where a member's verdict or promises are held back."""
        members = self._detector.members
        text = self._undecided(row) if IS_UNDECIDED[members.state.item(row)] else ""
        text += "".join(map(spoiled_text, self._spoiled_on(row)))
        if members.clamped.item(row):
            promised = members.interval_ms.item(row), members.push_timeout_ms.item(row)
            kept = members.interval.item(row), members.push_timeout.item(row)
            text += clamped_text(*promised, *kept)
        return text

    def _undecided(self, row: int) -> str:
        members = self._detector.members
        if away := self._away(row):
            return unheard_text(away)
        contests, one = self._detector.silences.contests, np.array([row])
        if contests.any and contests.are_contested(one).any():
            return contested_text(self._patience(one).item())
        if self._gaps.is_deaf(row):
            return deaf_text(members.push_timeout.item(row))
        if members.put_off.item(row):
            left = members.down_after.item(row) - self._detector.silence_of(row)
            return put_off_text(max(0.0, left))
        return ""

    def _patience(self, rows: Rows) -> Seconds:
        """Return for how long each of ``rows`` (n), whose records are overwritten, may be silent yet."""
        longest = PATIENCE * self._detector.members.down_after[rows]
        left: Seconds = np.maximum(longest - self._detector.silence(rows), 0.0)
        return left

    def _away(self, row: int) -> str:
        """Return why the member is not heard at all, if none of its shards is listening."""
        places: list[int] = self._detector.members.shard[:, row].tolist()
        theirs = [self._parts.shards[at] for at in places if at >= 0]
        if any(shard.listening for shard in theirs):
            return ""
        return "; ".join(f"{shard.name}: {shard.reason}" for shard in theirs)

    def _spoiled_on(self, row: int) -> list[str]:
        """Return the shards on which its record is no beat of its own."""
        return [shard.name for shard in self._parts.shards if _is_spoiled(shard, row)]


def _is_spoiled(shard: ShardState, row: int) -> bool:
    if not (len(shard.spoiled.counted) or len(shard.spoiled.given_up)):
        return False
    slot = shard.seats.slot_of(row)
    return slot is not None and shard.spoiled.holds(slot)
