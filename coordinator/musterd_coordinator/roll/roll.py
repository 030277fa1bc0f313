"""The module keeps the roll in memory: every member, its state and why.

Sweeps and operators change it. One roll serves all shards. Whatever one sweep changes becomes
visible at once, as one version.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import structlog

from musterd.model import Facts, State
from musterd.orders import UNTOLD, Origin
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import judge_sweep, news_in
from musterd_coordinator.judge.transitions import StateChanges
from musterd_coordinator.registry.base import Entry, Gone, Portion, portion_of
from musterd_coordinator.roll.absent import Absent
from musterd_coordinator.roll.admission import MEMBERS_LIMIT, Admission
from musterd_coordinator.roll.arrangement import Arranger
from musterd_coordinator.roll.changeset import ChangeSet
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.lives import ForgottenLives
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.notices import Notices
from musterd_coordinator.roll.ordered import ready
from musterd_coordinator.roll.outbox import Outbox
from musterd_coordinator.roll.pending import PendingRows
from musterd_coordinator.roll.placement import Placement, Places
from musterd_coordinator.roll.reporting import ChangeReporter
from musterd_coordinator.roll.rows import RowKeeper
from musterd_coordinator.roll.seating import Seating
from musterd_coordinator.roll.shard import Clocks, ShardState
from musterd_coordinator.roll.verdicts import NO_FACTS
from musterd_coordinator.roll.versions import ChangeLog
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.loop import SweepOutcome

log = structlog.get_logger(__name__)


class Roll:
    """A `Roll` keeps members, states and versions, which its verbs change.

    Readers ask ``view``, and what writes to a registry takes what is ``pending``. The other
    attributes are its parts (:class:`~musterd_coordinator.roll.parts.RollParts`), which only this room
    and its tests know.
    """

    def __init__(
        self,
        rules: Rules,
        shard_names: Sequence[str],
        *,
        namespace: str,
        places: Places,
        sweep_period: float,
        sweep_timeout: float,
        clocks: Clocks,
        members_limit: int = MEMBERS_LIMIT,
    ) -> None:
        self._clock = partial(ListeningClock, sweep_period, sweep_timeout)
        self.shards = [ShardState(name, self._clock(), since=clocks.wall()) for name in shard_names]
        self.detector = Detector(rules, [shard.clock for shard in self.shards], places.replicas)
        self.directory = NameIndex()
        self.arranger = Arranger(self.detector.members, self.directory)
        self.admission = Admission(self.directory, members_limit, clocks.wall)
        self.clocks = clocks
        self.changes = ChangeLog(int(clocks.wall() * 1000), lambda row: self.view.change(row))
        self.facts: dict[int, Facts] = {}
        self.ordered: dict[int, Facts] = {}
        self.said: dict[int, Facts] = {}
        self.unsaved = Outbox(lambda row: self.view.effective(row))
        self.placement = Placement(namespace, shard_names, places, self.detector, self.directory)
        self.reporter = ChangeReporter(
            self.detector, self.directory, clocks, changes=self.changes, unsaved=self.unsaved
        )
        self.absent = Absent()
        self.lives = ForgottenLives()
        self.notices = Notices(self.detector, self.directory, clocks.wall)
        self.figures = RunFigures(self.detector.members, self.directory.zones)
        self.ready = False
        self.view = RollView(self)
        self.pending = PendingRows(self)
        self._rows = RowKeeper(self, self.view)
        self._seating = Seating(self, self._rows)

    @property
    def version(self) -> int:
        """Return the version: one more for each sweep or order that changed anything."""
        return self.changes.version

    def judge_by(self, rules: Rules) -> None:
        """Judge members by ``rules`` from the next sweep on."""
        self.detector.rules = rules

    def add_shards(self, names: Iterable[str]) -> None:
        """Begin to listen to more shards, which say themselves who is a member in them."""
        for name in names:
            shard = ShardState(name, self._clock(), since=self.clocks.wall())
            self.shards.append(shard)
            self.detector.add_shard(shard.clock)
            self.placement.add_listing(name)

    def _see_if_ready(self) -> Iterator[None]:
        listening = [index for index, shard in enumerate(self.shards) if shard.clock.listening]
        if self.ready or not listening or not all(shard.sweeps for shard in self.shards):
            return
        for index in listening:
            if not (yield from self.detector.heard_out(index)):
                return
        self.ready = True

    # -- what sweeps bring ---------------------------------------------------------------

    def apply(self, index: int, swept: SweepOutcome) -> None:
        """Apply one sweep of shard ``index``: seats, beats, and, if it is proven, verdicts."""
        for _ in self.steps(index, swept):
            pass

    def steps(self, index: int, swept: SweepOutcome) -> Iterator[None]:
        """Do :meth:`apply` in steps of a millisecond or two; questions can be answered between them.

        Seats are taken step by step. All states change in one step; after it, that is logged.
        """
        shard = self.shards[index]
        shard.wake(self.clocks)
        self.changes.flush()
        if swept.sweep is not None and swept.sweep.unproven:
            self.detector.gaps.wait_for_challenge(index)
        canary = swept.canary_seconds or 0.0
        step = yield from self.detector.advance(index, swept.begin, swept.end, swept.proven, canary)
        self.figures.count_sweep(shard.name, swept, proven=step is not Step.STOOD_STILL)
        if shard.record_sweep(swept, step, self.clocks.wall()):
            self.changes.notice()
        contested = yield from self._seat(index, swept)
        news = news_in(self.detector, shard.seats, swept.sweep) if swept.sweep else ()
        news = self.figures.count_beats(shard.name, news, swept.begin)
        changes = yield from judge_sweep(self.detector, index, news, step, swept.begin)
        told = [self._apply(each, shard) for each in [*contested, *changes] if len(each)]
        self.changes.publish()
        self.notices.refresh()
        lines, now = self.reporter.log(told), self.clocks.monotonic()
        yield
        yield from self._see_if_ready()
        yield from self.changes.describe()
        yield from self.figures.count_changes([each.changes for each in told], now)
        yield from lines

    def _seat(self, index: int, swept: SweepOutcome) -> Steps[list[StateChanges]]:
        """Seat who came, and hold those whose records somebody overwrites."""
        yield from self._seating.apply(index, swept.roster, swept.begin)
        sweep, seats = swept.sweep, self.shards[index].seats
        if sweep is None:
            return []
        if sweep.seated:
            yield from self._seating.apply(index, Roster(sweep.seated), swept.begin)
        for absentee in self.absent.find_returned(index, sweep.beats, swept.begin):
            self._seating.welcome_back(absentee)
        self.absent.end_sweep(index, swept.begin)
        if not len(sweep.contested) and not len(sweep.unfresh):
            return []
        contested, unfresh = seats.rows_in(sweep.contested), seats.rows_in(sweep.unfresh)
        return self.detector.contest(index, contested, unfresh, swept.begin)

    # -- what operators and registries bring ---------------------------------------------

    def restore(self, portion: Portion) -> None:
        """Begin with the members, states and facts that a registry kept.

        They are published with the first sweep: no reader follows yet, and to describe each
        portion's changes would take as long as everything else.
        """
        if len(portion):
            self._rows.restore(portion)

    def merge(self, changed: Iterable[Entry | Gone]) -> None:
        """Take over what other coordinators changed in a shared registry: facts and members."""
        self._forgotten_elsewhere([each for each in changed if isinstance(each, Gone)])
        for each in changed:
            if isinstance(each, Gone):
                continue
            if (row := self.directory.row(each.member.group, each.member.name)) is None:
                self._known_elsewhere(each)
            else:
                self.lives.saved.add(np.array([row]))
                if each.facts != self.facts.get(row, NO_FACTS):
                    self._rows.set_facts(row, each.facts)
        self.changes.publish()

    def set_facts(self, row: int, facts: Facts, note: str, origin: Origin = UNTOLD) -> None:
        """Take in an operator's order, already durable; ``note`` goes into the history."""
        self._rows.set_facts(row, facts)
        self.reporter.ordered(row, note, origin)
        self.changes.publish()

    def set_facts_of(
        self, rows: Rows, facts: Sequence[Facts], note: str, origin: Origin
    ) -> Steps[int]:
        """Take in an order for many that changes no zone, already durable; return its version.

        It is made ready in steps, shows all at once, and is described in steps.
        """
        given = yield from ready(rows, facts)
        yield from self.changes.describe()
        for _ in self._rows.set_facts_of(given):
            yield
            self.changes.flush()  # what a sweep may have published meanwhile, as it was
        return (yield from self._publish_order(rows, note, origin))

    def confirm_silence(self, rows: Rows, note: str, origin: Origin) -> Steps[int]:
        """End the holds of members that a mass silence holds; return the version of this order."""
        yield from self.changes.describe()
        self.changes.flush()
        self.detector.confirm(rows)
        self.reporter.confirmed(rows, origin)
        return (yield from self._publish_order(rows, note, origin))

    def _publish_order(self, rows: Rows, note: str, origin: Origin) -> Steps[int]:
        self.changes.touch_all(rows)
        self.reporter.ordered_all(rows, note, origin)
        self.changes.publish()
        version = self.version
        yield from self.changes.describe()
        return version

    def remove(
        self, rows: Iterable[int], number: int = 0, note: str = "", origin: Origin = UNTOLD
    ) -> None:
        """Forget members; ``number`` is the registry's for it, ``note`` is for the history."""
        for row in rows:
            if note:
                self.reporter.ordered(row, note, origin, then=State.UNKNOWN)
            self._rows.remove(row)
        self.lives.learn([number])
        self.changes.publish()

    def _forgotten_elsewhere(self, gone: Sequence[Gone]) -> None:
        """Forget what other coordinators forgot; a member comes back with a beat that is newer."""
        known = list[str]()
        for group, name, number in gone:
            if (row := self.directory.row(group, name)) is None:
                if not self.lives.knows(number):
                    self.absent.forget_again(group, name, self.clocks.monotonic())
            elif not self.lives.outlived(row, number):
                known.append(f"{group}/{name}")
                self._rows.remove(row)
        self.lives.learn({each.number for each in gone if not self.lives.knows(each.number)})
        if known:
            log.info("members forgotten elsewhere", count=len(known), examples=known[:3])

    def _known_elsewhere(self, entry: Entry) -> None:
        """Take in a member that another coordinator knows, and we do not or heard of later."""
        absentee = self.absent.pop(entry.member.group, entry.member.name)
        self._rows.restore(portion_of([entry]))
        if absentee is not None:
            self._seating.seat_again(absentee)

    # -- what changed --------------------------------------------------------------------

    def _apply(self, changes: StateChanges, shard: ShardState) -> ChangeSet:
        others = changes.old != changes.new
        rows = changes.rows if others.all() else changes.rows[others]
        self.detector.members.since[rows] = self.clocks.wall()
        self.unsaved.rows.add(changes.rows)
        return self.reporter.record(changes, shard)
