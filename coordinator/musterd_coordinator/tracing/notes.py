"""Each sweep is compared with what a trace has already, and what is new is noted for it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from musterd.trace.lines import (
    RESTART,
    HeadCount,
    RuleChange,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceLine,
    VerdictChange,
    WallStep,
)
from musterd.trace.words import EventKind, Rule
from musterd_coordinator.judge.members import STATES, Code, Rows, Seconds, slices
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.tracing.asking import asked
from musterd_coordinator.tracing.book import DEAD, Holding, Returns, TraceBook
from musterd_coordinator.tracing.rules import are_alive
from musterd_coordinator.tracing.scribe import Scribe, Subjects
from musterd_coordinator.tracing.shards import ShardNotes
from musterd_coordinator.tracing.storms import StormNotes, ZoneNamed

WALL_STEP = 1.0
"""Seconds by which the wall clock leaves the monotonic one before that is noted."""

_WORDS: NDArray[np.object_] = np.array([str(STATES.get(code, "")) for code in Code], object)
_RULES = tuple(Rule)
_NO_RULE = -1
_NAMES: NDArray[np.object_] = np.array([*map(str, Rule), ""], object)  # the last of no rule


class SweepNotes:
    """A `SweepNotes` notes what sweeps of the roll behind ``view`` changed, for ``scribe`` to write.

    ``rules`` are by shard, and ``began`` is when the run did, by the monotonic clock. Shards are swept each
    ``period`` seconds; members of whom no interval is known have ``interval``.
    """

    def __init__(
        self,
        view: RollView,
        scribe: Scribe,
        rules: Sequence[Rule | None],
        *,
        began: float,
        period: float,
        interval: float,
    ) -> None:
        self.book = TraceBook(interval)
        self._view = view
        self._scribe = scribe
        self._began, self._period = began, period
        self._rules = list[Rule | None]()
        self._shards = list[ShardNotes]()
        self.add_shards(rules)
        self._storms = StormNotes(self._zone)
        self._offset = self._wall_offset()

    def add_shards(self, rules: Sequence[Rule | None]) -> None:
        """Begin with more shards, after all others."""
        for at, rule in enumerate(rules, len(self._shards)):
            self._shards.append(ShardNotes(at, self._period, self._began))
            self._rules.append(rule)
        # One more than there are shards, for members that are on none.
        self._codes = np.array([_code(each) for each in [*self._rules, None]], np.int8)

    def note(self, index: int, swept: SweepOutcome) -> Iterator[None]:
        """Note in steps a sweep of shard ``index``, which the roll has taken in."""
        self._note_wall()
        listening = self._view.hearing.shards[index].listening
        self._scribe.say(self._shards[index].note(swept, listening=listening))
        for among in slices(len(self._view.traced.columns().life)):
            self._note_rows(among, swept.begin)
            yield
        if (rule := self._rules[index]) is not None:
            wall = swept.end + self._wall_offset()
            for rows, ages in asked(self._view.traced, rule, index, swept, wall):
                self._note_rule(rule, rows, ages, swept.begin)
                yield
        t = self._scribe.t(swept.begin)
        self._scribe.say(self._storms.note(self._view.traced.columns(), t))

    def repeat(self) -> None:
        """Note again what holds: how sweeps end, and whose verdict or rule is not the usual one."""
        self._scribe.say([shard.turn for shard in self._shards if shard.turn is not None])
        self._tell_verdicts(self.book.not_up())
        self._tell_rules(self.book.dead())

    def note_silent(self) -> Iterator[None]:
        """Note in steps who has been silent for long."""
        for among in slices(len(self._view.traced.columns().life)):
            rows = np.arange(among.start, among.stop)
            rows = rows[self.book.follows(self._view.traced.columns(), rows)]
            self._tell_silent(rows, self._view.clocks.monotonic())
            yield

    def count(self) -> HeadCount:
        """Return how many there are, and whom rules call dead."""
        book = self.book
        counts = np.bincount(book.state[book.life > 0], minlength=len(Code)).tolist()
        codes = self._codes_of(book.dead().rows)
        dead = {str(rule): int(np.count_nonzero(codes == at)) for at, rule in enumerate(_RULES)}
        return HeadCount(
            self._scribe.t(self._view.clocks.monotonic()),
            sum(counts),
            counts[Code.UP],
            counts[Code.SUSPECT],
            counts[Code.DOWN],
            {rule: count for rule, count in dead.items() if count},
        )

    def _note_wall(self) -> None:
        offset, clocks = self._wall_offset(), self._view.clocks
        if abs(by := offset - self._offset) <= WALL_STEP:
            return
        self._offset, t = offset, self._scribe.t(clocks.monotonic())
        step = TraceEvent(t, None, EventKind.CLOCK, {"by": round(by, 2)})
        self._scribe.say([WallStep(t, round(clocks.wall(), 2)), step])

    def _note_rows(self, among: slice, at: float) -> None:
        now = self._view.traced.columns()
        self._scribe.farewell(self.book.follow(now, among, at), at)
        changed = self.book.changed(now, among, at)
        self._tell_verdicts(changed)
        self._tell_returns(self.book.returned(now, among))
        is_up = np.isin(now.state[changed.rows], (Code.FREE, Code.UP))
        self._tell_silent(changed.rows[~is_up], at)

    def _note_rule(self, rule: Rule, rows: Rows, ages: Seconds, at: float) -> None:
        """Note what a rule of Nova's says of members, where it is another thing than before."""
        known = self.book.follows(self._view.traced.columns(), rows)
        rows, ages = rows[known], ages[known]
        judged = self.book.judged(rows, are_alive(rule, ages, self._view.down_time), ages, at)
        self._tell_rules(judged)
        self._tell_silent(judged.rows[self.book.alive[judged.rows] == DEAD], at)

    def _tell_returns(self, returns: Returns) -> None:
        rows, at, last, restarted = returns
        subjects, words = self._subjects(rows), np.where(restarted, RESTART, "")

        def lines(some: slice) -> Iterable[TraceLine]:
            times, before = self._scribe.times(at[some]), self._scribe.times(last[some])
            return map(
                SilenceEnded, times, subjects.ids[some].tolist(), before, words[some].tolist()
            )

        self._scribe.tell(subjects, lines)

    def _tell_verdicts(self, holding: Holding) -> None:
        rows, since = holding
        subjects, states = self._subjects(rows), self.book.state[rows]

        def lines(some: slice) -> Iterable[TraceLine]:
            times, words = self._scribe.times(since[some]), _WORDS[states[some]].tolist()
            causes = self._causes(rows[some], states[some])
            return map(VerdictChange, times, subjects.ids[some].tolist(), words, causes)

        self._scribe.tell(subjects, lines)

    def _tell_rules(self, holding: Holding) -> None:
        rows, since = holding
        subjects, alive, age = self._subjects(rows), self.book.alive[rows], self.book.age[rows]
        rules = _NAMES[self._codes_of(rows)]

        def lines(some: slice) -> Iterable[TraceLine]:
            times, ids = self._scribe.times(since[some]), subjects.ids[some].tolist()
            ages = [each if isfinite(each) else None for each in np.round(age[some], 2).tolist()]
            return map(RuleChange, times, ids, rules[some].tolist(), alive[some].tolist(), ages)

        self._scribe.tell(subjects, lines)

    def _tell_silent(self, rows: Rows, at: float) -> None:
        """Note which of ``rows`` are silent for long ``at`` an instant."""
        rows, last = self.book.silent(self._view.traced.columns(), rows, at)
        subjects, t = self._subjects(rows), self._scribe.t(at)

        def lines(some: slice) -> Iterable[TraceLine]:
            ids, times = subjects.ids[some].tolist(), self._scribe.times(last[some])
            return map(StillSilent, repeat(t), ids, times)

        self._scribe.tell(subjects, lines)

    def _causes(self, rows: Rows, states: NDArray[np.uint8]) -> list[str]:
        """Return the words of why members in ``rows`` are in ``states``; empty where they are no more."""
        same = self._view.traced.columns().state[rows] == states
        causes = self._view.traced.causes(rows)
        return [cause if still else "" for cause, still in zip(causes, same.tolist(), strict=True)]

    def _codes_of(self, rows: Rows) -> NDArray[np.int8]:
        """Return by the number of which rule members in ``rows`` are judged beside, or _NO_RULE."""
        codes: NDArray[np.int8] = self._codes[self._view.traced.columns().shard[0, rows]]
        return codes

    def _subjects(self, rows: Rows) -> Subjects:
        return Subjects(rows, self.book.life[rows])

    def _zone(self, number: int) -> ZoneNamed:
        group, zone = self._view.traced.zone(number)
        return ZoneNamed(group, self._scribe.names.zone(zone))

    def _wall_offset(self) -> float:
        return self._view.clocks.wall() - self._view.clocks.monotonic()


def _code(rule: Rule | None) -> int:
    return _NO_RULE if rule is None else _RULES.index(rule)
