"""Who is alive? Columns and listening time in, changes of state out. Pure.

Time, sweeps and placement are arguments, so that the same code runs under the real clock, in
property tests and in simulation. The rules, with their reasons, are in ``docs/detector.md``; in
short:

* A beat is *new* when its sequence grew within the incarnation, or the incarnation is another one;
  what stands against that is in :mod:`~musterd_coordinator.sequences`.
  A new beat on any of a member's shards ends its silence on all of them.
* ``silence`` on a shard is that shard's listening time since the last new beat. After a gap in
  listening nobody's silence completes before an agent that lives had the time to come back.
* A member goes down only by a proven sweep, when its silence on that shard is complete. When too
  much of a zone falls silent, or says goodbye, at once, it becomes suspect instead, and down or
  left only after a hold.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.columns import Beats
from musterd_coordinator import mass, promises, runs, sequences
from musterd_coordinator.gaps import Gaps
from musterd_coordinator.goodbyes import Goodbyes
from musterd_coordinator.judgements import Asking, Cause, Changes
from musterd_coordinator.listening import ListeningClock, Step
from musterd_coordinator.members import (
    IS_UNDECIDED,
    NO_SHARD,
    Code,
    Mask,
    Members,
    Rows,
    Seconds,
)
from musterd_coordinator.rules import Rules
from musterd_coordinator.runs import CONFLICT_FLIPS

CONFLICT_MEMORY = 3
"""Service down times without a turn after which a conflict is over. Agents that beat shortly after
one another are seldom both seen, so one quiet down time means little."""

_ASKED = np.full(256, Code.UP, np.uint8)
_ASKED[Status.CHECK_FAILING], _ASKED[Status.LEAVING] = Code.DOWN, Code.LEFT


class Detector:
    """Judges the members of a table by the sweeps of their shards."""

    def __init__(self, rules: Rules, clocks: Sequence[ListeningClock], replicas: int = 1) -> None:
        self.clocks = clocks
        self.members = Members(replicas)
        self.gaps = Gaps(self.members, clocks, rules)
        self._goodbyes = Goodbyes(self.members)
        self.promises_noted = 0  # times that somebody promised something else
        # One more than there are shards: NO_SHARD (-1) reads, harmlessly, the last.
        self._time = np.zeros(len(clocks) + 1)

    @property
    def rules(self) -> Rules:
        """What it goes by; members are judged by other ones from the next sweep on."""
        return self.gaps.rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self.gaps.rules = rules
        promises.judge_by(self.members, rules)
        self.promises_noted += 1

    def add_all(self, states: NDArray[np.uint8], shards: NDArray[np.int16], quiet: Seconds) -> Rows:
        """Rows for n members in ``states`` (n), placed on ``shards`` (n, replicas or fewer) and
        silent for ``quiet`` (n) seconds.
        """
        placed = np.full((self.members.replicas, len(states)), NO_SHARD, np.int16)
        placed[: shards.shape[1]] = shards.T
        rows = self.members.add(states, placed)
        self.members.heard[:, rows] = self._time[placed] - quiet
        self.know_intervals(rows, np.zeros(len(rows)))
        return rows

    def know_intervals(self, rows: Rows, intervals: Seconds) -> None:
        """The intervals (n) that members were known to have; 0: not known."""
        promises.note_intervals(self.members, rows, intervals, self.rules)
        self.promises_noted += 1

    def remember_promises(self, rows: Rows, beats: Beats) -> None:
        """What beats say that may be older than this coordinator, and are no sign of life."""
        self._promise(rows, beats)

    def move(self, row: int, shards: Sequence[int]) -> None:
        """The member beats to other shards than was thought; its silence there begins now."""
        self.members.shard[:, row] = NO_SHARD
        self.members.shard[: len(shards), row] = shards
        self.members.heard[:, row] = self._time[self.members.shard[:, row]]
        self.members.chances[:, row] = 0

    def silence(self, rows: Rows | slice) -> Seconds:
        """Seconds of listening without a new beat, the largest over a member's shards."""
        shard = self.members.shard[:, rows]
        silence = self._time[shard] - self.members.heard[:, rows]
        longest: Seconds = np.where(shard == NO_SHARD, 0.0, silence).max(axis=0)
        return np.maximum(longest, 0.0)

    def silence_of(self, row: int) -> float:
        """:meth:`silence` of one row."""
        members, longest = self.members, 0.0
        for place in range(members.replicas):  # each question about one member comes here
            shard = members.shard.item(place, row)
            if shard != NO_SHARD:
                silence = self._time.item(shard) - members.heard.item(place, row)
                longest = max(longest, silence)
        return longest

    def conflict(self, row: int) -> bool:
        """Do two agents beat under this member's name?"""
        return self.members.flips.item(row) >= CONFLICT_FLIPS

    def conflicts(self, rows: Rows | slice) -> Mask:
        """:meth:`conflict` of many at once."""
        conflicts: Mask = self.members.flips[rows] >= CONFLICT_FLIPS
        return conflicts

    def heard_out(self, shard: int) -> bool:
        """Has everyone on ``shard`` who is still unknown had the time to be heard?

        Who promises to beat seldom, or waits less than a canary takes, is not waited for.
        """
        members, used = self.members, self.members.used
        unknown = np.flatnonzero(
            (members.state[used] == Code.UNKNOWN)
            & (members.shard[:, used] == shard).any(axis=0)
            & (members.down_after[used] <= self.rules.service_down_time)
        )
        unknown = np.setdiff1d(unknown, self.gaps.deaf(shard))
        # A member's allowance is over when its silence begins to count.
        return not len(unknown) or bool((self.silence(unknown) > 0).all())

    def advance(
        self, shard: int, begin: float, end: float, proven: bool, canary: float = 0.0
    ) -> Step:
        """Take in that a sweep of ``shard`` ran from ``begin`` to ``end``, and what it proved.

        ``canary`` is how many seconds its canary took to be accepted.
        """
        clock, before = self.clocks[shard], self._time.item(shard)
        step = clock.advance(begin, end, proven)
        self._time[shard] = clock.time
        self.gaps.take(shard, step, clock.time - before, canary, begin)
        return step

    def note(self, rows: Rows, beats: Beats, now: float) -> tuple[list[Changes], Asking]:
        """Take in beats that changed in the store: row ``rows[i]`` sent ``beats[i]``.

        Each row appears at most once. ``now`` is monotonic seconds. No state changes: who asks for
        another one by this is for :meth:`answer`.
        """
        members, changes = self.members, list[Changes]()
        same = beats.incarnation == members.incarnation[rows]
        told = sequences.tell(members, rows, beats, now)
        new = same & told.new
        if not same.all():
            new |= self._take_turns(rows, beats, ~same, now, changes)
        strange = same & (told.corrected | told.beyond | told.later)
        if strange.any():
            flagged = runs.count_flips(members, rows[strange], now, CONFLICT_FLIPS)
            changes += self._unchanged(flagged, Cause.STRANGE_NUMBERS)
        if (later := same & told.later).any():
            kept = np.where(later, members.sequence[rows], beats.sequence)
            beats = beats._replace(sequence=kept)
        if not new.all():
            rows, beats = rows[new], beats.where(new)
        self._remember(rows, beats, now)
        differ = members.state[rows] != _ASKED[beats.status]
        self._meet(rows[differ])
        return changes, Asking(rows[differ], beats.incarnation[differ], beats.status[differ])

    def _meet(self, rows: Rows) -> None:
        """Members that were not up beat: those whose first beat it is are known from now on."""
        new = rows[np.isnan(self.members.first_heard[rows])]
        self.members.first_heard[new] = self.listened

    def answer(self, asking: Asking) -> Changes:
        """Give those who ask the state that they ask for, if they are still who asked."""
        members = self.members
        same = members.incarnation[asking.rows] == asking.incarnation
        rows, status = asking.rows[same], asking.status[same]
        old, new = members.state[rows], _ASKED[status]
        cause = np.where(old == Code.UNKNOWN, Cause.FIRST_BEAT, Cause.BEAT).astype(np.uint8)
        cause[status == Status.CHECK_FAILING] = Cause.CHECK_FAILING
        cause[status == Status.LEAVING] = Cause.LEAVING
        self._hold_goodbyes(rows, old, new, cause)
        differ = (old != new) & (old != Code.FREE)
        return self._change(rows[differ], new[differ], cause[differ])

    def _hold_goodbyes(
        self, rows: Rows, old: NDArray[np.uint8], new: NDArray[np.uint8], cause: NDArray[np.uint8]
    ) -> None:
        """Make suspects of those (n) who want to go with too many others of their zones."""
        self._goodbyes.take_back(rows[(new == Code.UP) & (old != Code.UP)])
        going = np.flatnonzero((new != Code.UP) & ((old == Code.UP) | (old == Code.SUSPECT)))
        if not len(going):
            return
        too_many = self._are_too_many(rows[going])
        held, gone = rows[going[too_many]], rows[going[~too_many]]
        new[going[too_many]], cause[going[too_many]] = Code.SUSPECT, Cause.MASS_GOODBYE
        self._goodbyes.note(held[~self._goodbyes.are_held(held)], self._time, held=True)
        self._goodbyes.note(gone, self._time, held=False)

    def _are_too_many(self, rows: Rows) -> Mask:
        members, within = self.members, self.rules.service_down_time
        gone = np.union1d(self._goodbyes.recent(self._time, within), rows)

        def going(inside: Rows) -> tuple[Mask, Mask]:
            goes = np.isin(inside, gone)
            state = members.state[inside]
            return goes, goes | (state == Code.UP) | (state == Code.SUSPECT)

        return mass.in_mass(members, rows, self.listened, self.rules, going)

    def _end_goodbyes(self) -> list[Changes]:
        """Members whose goodbyes were held, and who say the same now that the hold is over."""
        rules = self.rules
        rows = self._goodbyes.over(self._time, rules.storm_hold, rules.service_down_time)
        if not len(rows):
            return []
        cause = np.full(len(rows), Cause.GOODBYE_OVER, np.uint8)
        return [self._change(rows, _ASKED[self.members.status[rows]], cause)]

    @property
    def listened(self) -> float:
        """Seconds for which any shard was listened to."""
        return float(self._time.max())

    def due(self, shard: int, among: slice) -> Rows:
        """The rows ``among`` all whose silence on ``shard`` is complete, judged or not."""
        # To compare all with one number takes half the time, and nobody is judged sooner than that.
        shortest = self.rules.service_down_time
        rows: Rows = among.start + np.flatnonzero(self._is_silent(shard, among, shortest))
        return rows[self._is_silent(shard, rows)] if len(rows) else rows

    def verdicts(self, shard: int, rows: Rows) -> list[Changes]:
        """The verdicts of a proven sweep of ``shard`` on those of ``rows`` that are (still) due."""
        rows = rows[IS_UNDECIDED[self.members.state[rows]] & self._is_silent(shard, rows)]
        told = self._verdicts(rows, self.members.state[rows]) if len(rows) else []
        return told + self._end_goodbyes()

    def end_conflicts(self, now: float) -> list[Changes]:
        """Members whose two incarnations took no turns for CONFLICT_MEMORY down times."""
        members = self.members
        rows = np.flatnonzero(members.flips[members.used])
        quiet = now - members.flipped_at[rows]
        over = rows[quiet > CONFLICT_MEMORY * members.down_after[rows]]
        flagged = over[members.flips[over] >= CONFLICT_FLIPS]
        members.flips[over] = 0
        return self._unchanged(flagged, Cause.CONFLICT_OVER)

    def hold_left(self, rows: Rows) -> Seconds:
        """For how many seconds of listening more suspects in ``rows`` (n) are held, at most."""
        left = np.maximum(self.storm_silence(rows) - self.silence(rows), 0.0)
        for held, remaining in self._goodbyes.left(self._time, self.rules.storm_hold):
            order = np.argsort(rows)
            at = np.searchsorted(rows, held, sorter=order)
            known = at < len(rows)
            places = order[at[known]]
            same = rows[places] == held[known]
            left[places[same]] = remaining[known][same]
        return left

    def storm_silence(self, rows: Rows) -> Seconds:
        """The silence at which suspects are held no longer."""
        silence: Seconds = self.members.down_after[rows] + self.rules.storm_hold
        return silence

    def _take_turns(
        self, rows: Rows, beats: Beats, other: Mask, now: float, changes: list[Changes]
    ) -> Mask:
        """Which of the beats of ``other`` incarnations than the current ones (n) are new."""
        members = self.members
        turned = runs.take_turns(members, rows, beats.incarnation, beats.sequence, other, now)
        # Who was down comes back, which is a change of its own.
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
        self.gaps.heard(rows)

    def _promise(self, rows: Rows, beats: Beats) -> None:
        """Note what members promise, where it is not what they promised before."""
        members = self.members
        others = members.interval_ms[rows] != beats.interval_ms
        others |= members.push_timeout_ms[rows] != beats.push_timeout_ms
        others |= beats.interval_ms == 0  # as of one who has promised nothing yet
        if others.any():
            promised = beats.interval_ms[others], beats.push_timeout_ms[others]
            promises.note(members, rows[others], *promised, self.rules)
            self.promises_noted += 1

    def _is_silent(
        self, shard: int, among: Rows | slice, down_after: Seconds | float | None = None
    ) -> Mask:
        members = self.members
        if down_after is None:
            down_after = members.down_after[among]
        heard_before = self.clocks[shard].time - down_after
        on_it, silent = members.shard[:, among] == shard, members.heard[:, among] <= heard_before
        somewhere: Mask = np.logical_or.reduce(on_it & silent)
        return somewhere

    def _verdicts(self, rows: Rows, state: NDArray[np.uint8]) -> list[Changes]:
        members, silence = self.members, self.silence(rows)
        new = np.full(len(rows), Code.DOWN, np.uint8)
        cause = np.full(len(rows), Cause.SILENT, np.uint8)
        cause[state == Code.UNKNOWN] = Cause.NEVER_BEAT
        cause[state == Code.SUSPECT] = Cause.HOLD_OVER
        up = np.flatnonzero(state == Code.UP)
        stormy = up[mass.in_mass(members, rows[up], self.listened, self.rules, self._falling)]
        new[stormy], cause[stormy] = Code.SUSPECT, Cause.MASS_SILENCE
        left = (members.status[rows] == Status.LEAVING) & (new != Code.SUSPECT)
        new[left], cause[left & (state != Code.SUSPECT)] = Code.LEFT, Cause.LEAVING
        held = (state == Code.SUSPECT) & (silence < self.storm_silence(rows))
        return [self._change(rows[~held], new[~held], cause[~held])]

    def _falling(self, rows: Rows) -> tuple[Mask, Mask]:
        """Which of ``rows`` fall silent together, or have just fallen; and those or the living.

        Counted as falling: whoever has been silent for half the service_down_time by now (the
        rest of a cut-off rack completes its silence an interval later than its first member),
        and whoever completed it within the last service_down_time.
        """
        members, silence, states = self.members, self.silence(rows), self.members.state[rows]
        living = (states == Code.UP) | (states == Code.SUSPECT)
        down_time = members.down_after[rows]
        half = np.maximum(down_time / 2, 1.5 * members.interval[rows])
        fallen = (states == Code.DOWN) & (silence >= down_time) & (silence < 2 * down_time)
        falling = (living & (silence >= np.minimum(half, down_time))) | fallen
        return falling, living | fallen

    def _unchanged(self, rows: Rows, cause: Cause) -> list[Changes]:
        if not len(rows):
            return []
        state = self.members.state[rows].copy()
        return [Changes(rows, state, state, np.full(len(rows), cause), self.silence(rows))]

    def _change(self, rows: Rows, new: NDArray[np.uint8], cause: NDArray[np.uint8]) -> Changes:
        changes = Changes(rows, self.members.state[rows].copy(), new, cause, self.silence(rows))
        self.members.state[rows] = new
        return changes
