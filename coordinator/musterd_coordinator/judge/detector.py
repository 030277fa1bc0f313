"""The detector says which members are alive: columns and listening time in, changes of state out.

It is pure: time, sweeps and placement are arguments, so that the same code runs under the real
clock, in property tests and in simulation. The rules, with their reasons, are in
``docs/detector.md``; in short:

* A beat is *new* when its sequence grew within the incarnation, or the incarnation is another one;
  what stands against that is in :mod:`~musterd_coordinator.judge.sequences`. A new beat on any of a
  member's shards ends its silence on all of them.
* ``silence`` on a shard is that shard's listening time since the last new beat. After a gap in
  listening no silence completes before an agent that lives had the time to come back.
* A member goes down only by a proven sweep, when its silence on that shard is complete. When too
  much of a zone falls silent, or says goodbye, at once, it becomes suspect instead, and down or
  left only after a hold.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge import incarnations as runs
from musterd_coordinator.judge import promises, sequences
from musterd_coordinator.judge.claims import ASKED, ClaimJudge
from musterd_coordinator.judge.gaps import Gaps
from musterd_coordinator.judge.incarnations import CONFLICT_FLIPS
from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.members import NO_SHARD, Code, Mask, Members, Rows, Seconds, slices
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.silences import SilenceJudge
from musterd_coordinator.judge.transitions import OVER, Cause, StateChanges, StateClaims
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.columns import Beats

CONFLICT_MEMORY = 3
"""Service down times without a turn after which a conflict is over. Agents that beat shortly after
one another are seldom both seen, so one quiet down time means little."""


class Detector:
    """A `Detector` judges the members of a table by the sweeps of their shards."""

    def __init__(self, rules: Rules, clocks: Sequence[ListeningClock], replicas: int = 1) -> None:
        self.clocks = clocks = list(clocks)
        self.members = Members(replicas)
        self.gaps = Gaps(self.members, clocks, rules)
        self.promises_noted = 0  # times that a member promised something else
        # One more than there are shards: NO_SHARD (-1) reads, harmlessly, the last.
        self._time = np.zeros(len(clocks) + 1)
        self.silences = SilenceJudge(self.members, self.gaps, clocks, self._time)
        self.claims = ClaimJudge(self.members, self.gaps, self._time)

    def add_shard(self, clock: ListeningClock) -> None:
        """Begin with one shard more, on which nobody is yet."""
        self.clocks.append(clock)
        self.gaps.add_shard()
        self.silences.contests.add_shard()
        # In place, for others have it too; what NO_SHARD read is the new one's, and there is a new last.
        self._time.resize(len(self.clocks) + 1, refcheck=False)

    @property
    def rules(self) -> Rules:
        """Return what it goes by; members are judged by other rules from the next sweep on."""
        return self.gaps.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self.gaps.rules = rules
        promises.judge_by(self.members, rules)
        self.promises_noted += 1

    def add_all(self, states: NDArray[np.uint8], shards: NDArray[np.int16], quiet: Seconds) -> Rows:
        """Add n members in ``states`` (n), silent for ``quiet`` (n) seconds; return their rows.

        They are placed on ``shards`` (n, replicas or fewer).
        """
        placed = np.full((self.members.replicas, len(states)), NO_SHARD, np.int16)
        placed[: shards.shape[1]] = shards.T
        rows = self.members.add(states, placed)
        self.members.heard[:, rows] = self._time[placed] - quiet
        self.know_intervals(rows, np.zeros(len(rows)))
        return rows

    def know_intervals(self, rows: Rows, intervals: Seconds) -> None:
        """Note the intervals (n) that members were known to have; 0: not known."""
        promises.note_intervals(self.members, rows, intervals, self.rules)
        self.promises_noted += 1

    def remember_promises(self, rows: Rows, beats: Beats) -> None:
        """Note what beats promise that may be older than this coordinator, and are no sign of life."""
        self._promise(rows, beats)

    def move(self, row: int, shards: Sequence[int]) -> None:
        """Note that the member beats to other shards than was thought; its silence there begins now."""
        self.members.shard[:, row] = NO_SHARD
        self.members.shard[: len(shards), row] = shards
        self.members.heard[:, row] = self._time[self.members.shard[:, row]]
        self.members.chances[:, row] = 0

    def silence(self, rows: Rows | slice) -> Seconds:
        """Return the seconds of listening without a new beat, the largest over a member's shards."""
        return self.silences.silence(rows)

    def silence_of(self, row: int) -> float:
        """Return :meth:`silence` of one row."""
        return self.silences.silence_of(row)

    def conflict(self, row: int) -> bool:
        """Say whether others than this member's agent write its beats, too."""
        return self.members.flips.item(row) >= CONFLICT_FLIPS

    def conflicts(self, rows: Rows | slice) -> Mask:
        """Return :meth:`conflict` of many rows at once."""
        conflicts: Mask = self.members.flips[rows] >= CONFLICT_FLIPS
        return conflicts

    def heard_out(self, shard: int) -> Steps[bool]:
        """Say whether every member on ``shard`` that is still unknown had the time to be heard.

        A member that promises to beat seldom, or waits less than a canary takes, is not waited for.
        """
        for among in slices(self.members.size):
            if not self._heard_out(shard, among):
                return False
            yield
        return True

    def _heard_out(self, shard: int, among: slice) -> bool:
        members = self.members
        unknown = among.start + np.flatnonzero(members.state[among] == Code.UNKNOWN)
        awaited = members.on(shard, unknown)
        awaited &= members.down_after[unknown] <= self.rules.service_down_time
        unknown = self.gaps.hearing(shard, unknown[awaited])
        # A member's allowance is over when its silence begins to count.
        return bool((self.silence(unknown) > 0).all())

    def advance(
        self, shard: int, begin: float, end: float, proven: bool, canary: float = 0.0
    ) -> Steps[Step]:
        """Take in a sweep of ``shard`` from ``begin`` to ``end``, and whether it is ``proven``, in steps.

        ``canary`` is how many seconds its canary took to be accepted.
        """
        clock, before = self.clocks[shard], self._time.item(shard)
        step = clock.advance(begin, end, proven)
        self._time[shard] = clock.time
        yield from self.gaps.advance(shard, step, clock.time - before, canary, begin)
        return step

    def ingest(
        self, rows: Rows, beats: Beats, now: float
    ) -> tuple[list[StateChanges], StateClaims]:
        """Ingest beats that changed in the store: row ``rows[i]`` sent ``beats[i]``.

        Each row appears at most once. ``now`` is monotonic seconds. No state changes: what asks for
        another one by this is for :attr:`claims`.
        """
        members, changes = self.members, list[StateChanges]()
        same = beats.incarnation == members.incarnation[rows]
        tell = sequences.tell_signed if self.rules.signed else sequences.tell
        told = tell(members, rows, beats, now)
        new = same & told.new
        if not same.all():
            new |= self._take_turns(rows, beats, ~same, now, changes)
        strange = same & (told.corrected | told.beyond | told.later)
        if strange.any():
            flagged = runs.count_flips(
                members, rows[strange], now, Cause.STRANGE_NUMBERS, CONFLICT_FLIPS
            )
            changes += self._unchanged(flagged, Cause.STRANGE_NUMBERS)
        if (later := same & told.later).any():
            kept = np.where(later, members.sequence[rows], beats.sequence)
            beats = beats._replace(sequence=kept)
        if not new.all():
            rows, beats = rows[new], beats.where(new)
        self._remember(rows, beats, now)
        differ = members.state[rows] != ASKED[beats.status]
        self._record_first_beats(rows[differ])
        return changes, StateClaims(rows[differ], beats.incarnation[differ], beats.status[differ])

    def contest(self, shard: int, contested: Rows, unfresh: Rows, now: float) -> list[StateChanges]:
        """Take in that records which are not theirs stand for members in ``shard``.

        They are held. Those in ``contested`` are called a conflict: somebody without their key writes.
        Those in ``unfresh`` signed for an old challenge.
        """
        self.silences.contests.add(shard, np.concatenate([contested, unfresh]), now)
        flagged = runs.count_flips(self.members, contested, now, Cause.CONTESTED, CONFLICT_FLIPS)
        return self._unchanged(flagged, Cause.CONTESTED)

    def _record_first_beats(self, rows: Rows) -> None:
        """Take in beats of members that were not up: a member is known from its first beat on."""
        new = rows[np.isnan(self.members.first_heard[rows])]
        self.members.first_heard[new] = self.listened

    @property
    def listened(self) -> float:
        """Return the seconds for which any shard was listened to."""
        return float(self._time.max())

    def forget_turns(self, among: slice, now: float) -> Rows:
        """Return rows ``among`` all with a conflict that is over; forget what is no conflict.

        Both are so when two incarnations took no turns for CONFLICT_MEMORY down times.
        """
        members = self.members
        rows: Rows = among.start + np.flatnonzero(members.flips[among])
        if not len(rows):
            return rows
        over = rows[self._are_quiet(rows, now)]
        flagged: Mask = self.conflicts(over)
        members.flips[over[~flagged]] = 0
        conflicts: Rows = over[flagged]
        return conflicts

    def end_conflicts(self, rows: Rows, now: float) -> list[StateChanges]:
        """End the conflicts of ``rows`` that are still over."""
        over = rows[self.conflicts(rows) & self._are_quiet(rows, now)]
        self.members.flips[over] = 0
        by = self.members.flipped_by[over]
        return [
            each
            for cause, then in OVER.items()
            for each in self._unchanged(over[by == cause], then)
        ]

    def _are_quiet(self, rows: Rows, now: float) -> Mask:
        quiet = now - self.members.flipped_at[rows]
        are_quiet: Mask = quiet > CONFLICT_MEMORY * self.members.down_after[rows]
        return are_quiet

    def hold_left(self, rows: Rows) -> Seconds:
        """Return for how many seconds of listening more suspects in ``rows`` (n) are held, at most."""
        left = np.maximum(self.silences.storm_silence(rows) - self.silence(rows), 0.0)
        left[self.members.confirmed[rows]] = 0.0
        self.claims.hold_left(rows, left)
        return left

    def are_held(self, rows: Rows) -> Mask:
        """Say which of ``rows`` a mass silence holds, confirmed or not."""
        held: Mask = self.members.state[rows] == Code.SUSPECT
        return held & ~self.claims.are_held(rows)

    def confirm(self, rows: Rows) -> None:
        """End the holds of ``rows``, which a mass silence holds: an operator says that they are dead.

        They are judged by the next proven sweep as if their holds were over. Any beat, and any other
        state, ends that: a mass silence after it is another one.
        """
        self.members.confirmed[rows] = True

    def _take_turns(
        self, rows: Rows, beats: Beats, other: Mask, now: float, changes: list[StateChanges]
    ) -> Mask:
        """Say which of the beats of ``other`` incarnations than the current ones (n) are new."""
        members = self.members
        turned = runs.take_turns(members, rows, beats.incarnation, beats.sequence, other, now)
        # A member that was down comes back, which is a change of its own.
        living = members.state[turned.restarted]
        restarted = turned.restarted[(living == Code.UP) | (living == Code.SUSPECT)]
        changes += self._unchanged(restarted, Cause.RESTARTED)
        changes += self._unchanged(turned.conflicts, Cause.CONFLICT)
        return turned.new

    def _remember(self, rows: Rows, beats: Beats, now: float) -> None:
        members = self.members
        members.incarnation[rows] = beats.incarnation
        members.sequence[rows] = beats.sequence
        members.sent_ms[rows] = beats.sent_ms
        members.status[rows] = beats.status
        self._promise(rows, beats)
        members.missed[rows] = beats.missed
        members.lag_ms[rows] = beats.lag_ms
        members.heard_at[rows] = now
        for place in range(members.replicas):
            members.heard[place, rows] = self._time[members.shard[place, rows]]
        self.gaps.reset(rows)

    def _promise(self, rows: Rows, beats: Beats) -> None:
        """Note what members promise, where it is not what they promised before."""
        members = self.members
        others = members.interval_ms[rows] != beats.interval_ms
        others |= members.push_timeout_ms[rows] != beats.push_timeout_ms
        others |= beats.interval_ms == 0  # as of one that has promised nothing yet
        if others.any():
            promised = beats.interval_ms[others], beats.push_timeout_ms[others]
            promises.note(members, rows[others], *promised, self.rules)
            self.promises_noted += 1

    def _unchanged(self, rows: Rows, cause: Cause) -> list[StateChanges]:
        if not len(rows):
            return []
        state = self.members.state[rows].copy()
        return [StateChanges(rows, state, state, np.full(len(rows), cause), self.silence(rows))]
