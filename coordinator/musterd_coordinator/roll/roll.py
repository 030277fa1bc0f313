"""The roll: every member, its state and why, kept in memory and changed by sweeps and operators.

One roll serves all shards. Whatever one sweep changes becomes visible at once, as one version.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat

import numpy as np
import structlog
from msgspec.structs import replace
from numpy.typing import NDArray

from musterd.limits import INTERVALS_UNTIL_DOWN
from musterd.model import Facts, Member, MemberChange, State, Verdict
from musterd.stores.slots.protocol import SLOT_LIMIT
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.members import CODES, STATES, Code, Rows, Seconds
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import judge_sweep, news_in
from musterd_coordinator.judge.transitions import StateChanges
from musterd_coordinator.registry.base import Entry, Gone, Portion, portion_of
from musterd_coordinator.roll.absent import Absent, Absentee
from musterd_coordinator.roll.admission import MEMBERS_LIMIT, Admission
from musterd_coordinator.roll.batch import MemberBatch, alike, in_portions
from musterd_coordinator.roll.changeset import ChangeSet
from musterd_coordinator.roll.lives import ForgottenLives
from musterd_coordinator.roll.names import NOBODY, NameIndex
from musterd_coordinator.roll.notices import Notices
from musterd_coordinator.roll.outbox import Outbox
from musterd_coordinator.roll.placement import Place, Placement
from musterd_coordinator.roll.reporting import ChangeReporter
from musterd_coordinator.roll.shard import Clocks, ShardState, wall_instant
from musterd_coordinator.roll.verdicts import (
    NO_FACTS,
    marks_of,
    orders_of,
    overlaid,
    verdict_of,
    verdicts_of,
)
from musterd_coordinator.roll.versions import ChangeLog
from musterd_coordinator.roll.wording import forced_text
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.loop import SweepOutcome

log = structlog.get_logger(__name__)

_ANNOUNCED = "announced; no beat seen yet"
_SEATED = (
    250  # members that take their seats in one step: three or four milliseconds on a slow core
)
_KINDS = 50  # of members in one step: as long, if each announces something else


class Roll:
    """Members, states and versions."""

    def __init__(
        self,
        rules: Rules,
        shard_names: Sequence[str],
        *,
        namespace: str,
        place: Place,
        replicas: int,
        sweep_period: float,
        sweep_timeout: float,
        clocks: Clocks,
        members_limit: int = MEMBERS_LIMIT,
    ) -> None:
        clock = partial(ListeningClock, sweep_period, sweep_timeout)
        self.shards = [ShardState(name, clock(), since=clocks.wall()) for name in shard_names]
        self.detector = Detector(rules, [shard.clock for shard in self.shards], replicas)
        self.directory = NameIndex()
        self.admission = Admission(self.directory, members_limit, clocks.wall)
        self.clocks = clocks
        self.changes = ChangeLog(int(clocks.wall() * 1000), self._change)
        self.facts: dict[int, Facts] = {}
        self.unsaved = Outbox(self.directory)
        self.placement = Placement(namespace, shard_names, place, self.detector, self.directory)
        self._teller = ChangeReporter(
            self.detector, self.directory, clocks, changes=self.changes, unsaved=self.unsaved
        )
        self.absent = Absent()
        self.lives = ForgottenLives()
        self.notices = Notices(self.detector, self.directory, clocks.wall)
        self._ready = False

    @property
    def version(self) -> int:
        """One more for each sweep or order that changed anything."""
        return self.changes.version

    @property
    def ready(self) -> bool:
        """Has every shard been listened to long enough for its living members to be heard?

        A shard that was tried and does not answer is not waited for while another one listens.
        """
        return self._ready

    def _see_if_ready(self) -> Iterator[None]:
        listening = [index for index, shard in enumerate(self.shards) if shard.clock.listening]
        if self._ready or not listening or not all(shard.sweeps for shard in self.shards):
            return
        for index in listening:
            if not (yield from self.detector.heard_out(index)):
                return
        self._ready = True

    @property
    def listening(self) -> list[bool]:
        """Which shards are listening."""
        return [shard.clock.listening for shard in self.shards]

    # -- what sweeps bring ---------------------------------------------------------------

    def take(self, index: int, swept: SweepOutcome) -> None:
        """Take in one sweep of shard ``index``: seats, beats, and, if it is proven, verdicts."""
        for _ in self.steps(index, swept):
            pass

    def steps(self, index: int, swept: SweepOutcome) -> Iterator[None]:
        """:meth:`take` in steps of a millisecond or two, between which questions can be answered.

        Seats are taken step by step. All states change in one step; after it, that is logged.
        """
        shard = self.shards[index]
        shard.wake(self.clocks)
        self.changes.settle()
        canary = swept.canary_seconds or 0.0
        step = yield from self.detector.advance(index, swept.begin, swept.end, swept.proven, canary)
        if shard.note(swept, step, self.clocks.wall()):
            self.changes.notice()
        yield from self._seat(index, swept.roster, swept.begin)
        if self.absent and swept.sweep is not None:
            for absentee in self.absent.heard(index, swept.sweep.beats, swept.begin):
                self._welcome_back(absentee)
        if swept.sweep is not None:
            self.absent.looked(index, swept.begin)
        news = news_in(self.detector, shard.seats, swept.sweep) if swept.sweep else ()
        changes = yield from judge_sweep(self.detector, index, news, step, swept.begin)
        told = [self._apply(each, shard) for each in changes if len(each)]
        self.changes.publish()
        self.notices.look()
        lines = self._teller.log(told)
        yield
        yield from self._see_if_ready()
        yield from self.changes.describe()
        yield from lines

    # -- who is on it --------------------------------------------------------------------

    def restore(self, portion: Portion) -> None:
        """Begin with the members, states and facts that a registry kept.

        They are published with the first sweep: nobody follows yet, and to describe each portion's
        changes would take as long as everything else.
        """
        if len(portion):
            self._restore(portion)

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
                    self._set_facts(row, each.facts)
        self.changes.publish()

    def set_facts(self, row: int, facts: Facts, note: str) -> None:
        """An operator's order, already durable; ``note`` goes into the history."""
        self._set_facts(row, facts)
        self._teller.ordered(row, note)
        self.changes.publish()

    def remove(self, rows: Iterable[int], number: int = 0, note: str = "") -> None:
        """Forget members; ``number`` is the registry's for it, ``note`` is for the history."""
        for row in rows:
            if note:
                self._teller.ordered(row, note, then=State.UNKNOWN)
            self._remove(row)
        self.lives.learn([number])
        self.changes.publish()

    def effective(self, row: int) -> Member:
        """The member with zone, owner and metadata as operators see them."""
        return overlaid(self.directory.member(row), self.facts.get(row))

    def state(self, row: int) -> State:
        """Its state."""
        return STATES[self.detector.members.state.item(row)]

    def reason(self, row: int) -> str:
        """Why it is in that state."""
        return self._teller.reason(row)

    def stated_reason(self, row: int) -> str:
        """Why what is stated of it is: an operator's word, or what was observed."""
        return self.in_force(row, self.reason(row))

    def in_force(self, row: int, observed: str) -> str:
        """``observed``, the reason of its state, behind an operator's word where that overrules it."""
        facts = self.facts.get(row, NO_FACTS)
        if not facts.forced_down:
            return observed
        return forced_text(facts.forced_down_reason, str(self.state(row)), observed)

    def verdict(self, row: int) -> Verdict:
        """May I talk to it, may I place work on it, may I evacuate it?"""
        members = self.detector.members
        return verdict_of(
            members.state.item(row), members.status.item(row), members.orders.item(row)
        )

    def verdicts(self, rows: Rows) -> list[Verdict]:
        """The same for many at once."""
        members = self.detector.members
        return verdicts_of(members.state[rows], members.status[rows], members.orders[rows])

    def _seat(self, index: int, roster: Roster, begin: float) -> Iterator[None]:
        seats = self.shards[index].seats
        for slot in roster.vacated:
            seats.vacate(slot)
            self.admission.left(index, slot)
            self.absent.vacated(index, slot, begin)
        for portion in in_portions(roster.seated, _SEATED, _KINDS):
            yield from self._make_room(len(portion))
            self._take_seats(index, portion, begin)
            yield
        self._take_seats(index, self.admission.next(index, _KINDS), begin)
        self.placement.tell(index)

    def _make_room(self, more: int) -> Iterator[None]:
        """Let what is kept of each member grow before ``more`` come: to copy it all is many steps."""
        members, before = self.detector.members, self.detector.members.room
        yield from members.make_room(more)
        if members.room > before:
            for reserve in (
                *(self.directory.reserve, self._teller.reserve, self.lives.reserve),
                *(self.unsaved.rows.reserve, *(shard.seats.reserve_rows for shard in self.shards)),
            ):
                reserve(members.room)
                yield
        yield from self.directory.make_room(more)

    def _take_seats(self, index: int, seated: Sequence[tuple[int, Member]], begin: float) -> None:
        seated = [each for each in seated if each[0] < SLOT_LIMIT]
        if not seated:
            return
        members = alike([member for _, member in seated])
        rows = self.directory.rows_of(members)
        slots = np.array([slot for slot, _ in seated], np.int64)
        known, new = np.flatnonzero(rows != NOBODY), np.flatnonzero(rows == NOBODY)
        self._meet(members.where(known), rows[known])
        self._seat_known(index, slots[known], rows[known])
        # One who sits in two slots is met in the last of them.
        newcomers = {(seated[at][1].group, seated[at][1].name): seated[at] for at in new.tolist()}
        for slot, _ in seated:
            self.admission.left(index, slot)
        if self.absent:
            for at in known.tolist():
                self.absent.vacated(index, seated[at][0], begin)
            newcomers = {
                name: seat
                for name, seat in newcomers.items()
                if not self.absent.still(index, *seat, begin)
            }
        self._welcome(index, self.admission.admit(index, list(newcomers.values())))

    def _seat_known(self, index: int, slots: Slots, rows: Rows) -> None:
        """Members that are known took these slots (n): after a restart, a whole fleet."""
        if not len(rows):
            return
        seats = self.shards[index].seats
        fresh = seats.are_free(slots, rows)
        if fresh.any():
            seats.seat_newcomers(slots[fresh], rows[fresh])
        for slot, row in zip(slots[~fresh].tolist(), rows[~fresh].tolist(), strict=True):
            seats.seat(slot, row)
        self.placement.mind(index, rows)

    def _forgotten_elsewhere(self, gone: Sequence[Gone]) -> None:
        """Other coordinators forgot these: they are back with a beat that is newer."""
        known = list[str]()
        for group, name, number in gone:
            if (row := self.directory.row(group, name)) is None:
                if not self.lives.knows(number):
                    self.absent.forget_again(group, name, self.clocks.monotonic())
            elif not self.lives.outlived(row, number):
                known.append(f"{group}/{name}")
                self._remove(row)
        self.lives.learn({each.number for each in gone if not self.lives.knows(each.number)})
        if known:
            log.info("members forgotten elsewhere", count=len(known), examples=known[:3])

    def _known_elsewhere(self, entry: Entry) -> None:
        """Another coordinator knows a member that we do not, or heard of it again before us."""
        absentee = self.absent.take(entry.member.group, entry.member.name)
        self._restore(portion_of([entry]))
        if absentee is not None:
            self._seat_again(absentee)

    def _welcome_back(self, absentee: Absentee) -> None:
        """A member that was forgotten beats: it is a new one."""
        member = absentee.member
        if self.absent.take(member.group, member.name) is not None:
            rows = self._add(
                *(alike([member]), np.full(1, Code.UNKNOWN, np.uint8)),
                *(repeat(_ANNOUNCED), np.zeros(1)),
            )
            self.unsaved.rows.add(rows)
            self._seat_again(absentee)

    def _seat_again(self, absentee: Absentee) -> None:
        row = self.directory.row(absentee.member.group, absentee.member.name)
        assert row is not None, "it was added just now"
        for index, slot in absentee.seats:
            self.shards[index].seats.seat(slot, row)
            self.placement.mind(index, np.array([row]))

    def _welcome(self, index: int, newcomers: Sequence[tuple[int, Member]]) -> None:
        """Members that were never heard of took these slots."""
        if not newcomers:
            return
        slots, members = zip(*newcomers, strict=True)
        states, quiet = np.full(len(members), Code.UNKNOWN, np.uint8), np.zeros(len(members))
        rows = self._add(alike(members), states, repeat(_ANNOUNCED), quiet)
        self.unsaved.rows.add(rows)
        self.shards[index].seats.seat_newcomers(np.array(slots, np.int64), rows)
        self.placement.mind(index, rows)
        if self.absent:
            back = [self.absent.take(member.group, member.name) for member in members]
            for absentee in filter(None, back):
                self._seat_again(absentee)

    def _meet(self, members: MemberBatch, rows: Rows) -> None:
        """Members that are known may have announced other facts."""
        for at in self.directory.with_other_facts(members, rows):
            row = rows.item(at)
            self.directory.announce(row, members.member(at))
            self._set_zone(row)
            self.unsaved.rows.add(rows[at : at + 1])
            self.changes.touch(row)

    def _add(
        self,
        members: MemberBatch,
        states: NDArray[np.uint8],
        reasons: Iterable[str],
        quiet: Seconds,
    ) -> Rows:
        """Rows for new ``members`` in these states and silent for ``quiet`` seconds; all n long."""
        places = self.placement.of_all(members)
        rows = self.detector.add_all(states, places, quiet)
        self.directory.add(members, rows)
        self.placement.note(members, places)
        self._teller.begin(rows, reasons)
        self.lives.begin(rows)
        zones = [
            self.directory.zones.take((sample.group, sample.zone), holders) if holders else 0
            for sample, holders in zip(members.samples, members.counts(), strict=True)
        ]
        self.detector.members.zone[rows] = np.array(zones, np.int32)[members.kinds]
        self.detector.members.since[rows] = self.clocks.wall()
        return rows

    def _restore(self, portion: Portion) -> None:
        kinds, samples = np.array(portion.kinds, np.int64), portion.samples
        down_time, now = self.detector.rules.service_down_time, self.clocks.wall()
        states = np.array([CODES[sample.state] for sample in samples], np.uint8)[kinds]
        at = {since: since.timestamp() for since in set(portion.since)}
        since = np.fromiter(map(at.__getitem__, portion.since), np.float64, len(kinds))
        # Long past any mass silence: what fell before this coordinator began is no part of one.
        dead = np.isin(states, (Code.DOWN, Code.LEFT))
        intervals = np.array([sample.interval for sample in samples])[kinds]
        allowed = np.maximum(down_time, INTERVALS_UNTIL_DOWN * intervals)
        quiet = np.where(dead, np.maximum(3 * allowed, now - since), 0.0)
        members = MemberBatch(portion.names, kinds, [sample.member for sample in samples])
        reasons = [sample.reason for sample in samples]
        rows = self._add(members, states, map(reasons.__getitem__, portion.kinds), quiet)
        self.detector.members.since[rows] = since
        self.detector.know_intervals(rows, intervals)
        known = states != Code.UNKNOWN  # for longer than this coordinator is there
        self.detector.members.first_heard[rows[known]] = -np.inf
        self.lives.saved.add(rows)
        ordered = np.array([sample.facts != NO_FACTS for sample in samples])[kinds]
        for place in np.flatnonzero(ordered).tolist():
            row = rows.item(place)
            self._keep_facts(row, samples[portion.kinds[place]].facts)
            self._set_zone(row)

    def _remove(self, row: int) -> None:
        self.changes.settle()
        self.changes.forget(row, replace(self._change(row), gone=True, version=self.version + 1))
        self.unsaved.forget(row)
        self.lives.saved.discard(row)
        seats = {
            index: slot
            for index, shard in enumerate(self.shards)
            if (slot := shard.seats.slot_of(row)) is not None
        }
        self.absent.put(self.directory.member(row), seats, self.clocks.monotonic())
        for index in seats:
            self.shards[index].seats.leave(row)
        self.placement.forget(row)
        self.directory.zones.give(self.detector.members.zone.item(row))
        self.directory.remove(row)
        self.detector.members.remove(row)
        self.facts.pop(row, None)

    def _set_facts(self, row: int, facts: Facts) -> None:
        self.changes.settle()
        self._keep_facts(row, facts)
        self._set_zone(row)
        self.changes.touch(row)

    def _keep_facts(self, row: int, facts: Facts) -> None:
        if facts == NO_FACTS:
            self.facts.pop(row, None)
        else:
            self.facts[row] = facts
        self.detector.members.orders[row] = orders_of(facts)

    def _set_zone(self, row: int) -> None:
        member, zones = self.effective(row), self.directory.zones
        column = self.detector.members.zone
        before, column[row] = column.item(row), zones.take((member.group, member.zone))
        zones.give(before)

    # -- what changed --------------------------------------------------------------------

    def _apply(self, changes: StateChanges, shard: ShardState) -> ChangeSet:
        others = changes.old != changes.new
        rows = changes.rows if others.all() else changes.rows[others]
        self.detector.members.since[rows] = self.clocks.wall()
        self.unsaved.rows.add(changes.rows)
        return self._teller.tell(changes, shard)

    def _change(self, row: int) -> MemberChange:
        member, members = self.directory.member(row), self.detector.members
        status, orders = members.status.item(row), members.orders.item(row)
        verdict = verdict_of(members.state.item(row), status, orders)
        facts = self.facts.get(row, NO_FACTS)
        return MemberChange(
            version=self.version,
            at=wall_instant(self.clocks.wall()),
            group=member.group,
            member=member.name,
            state=verdict.state,
            up=verdict.up,
            schedulable=verdict.schedulable,
            down=verdict.down,
            reason=self.stated_reason(row),
            marks=marks_of(status, orders, self.detector.conflict(row)),
            disabled_reason=facts.disabled_reason,
            forced_down_reason=facts.forced_down_reason,
        )
