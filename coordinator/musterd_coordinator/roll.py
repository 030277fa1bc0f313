"""The roll: every member, its state and why, kept in memory and changed by sweeps and operators.

One roll serves all shards. Whatever one sweep changes becomes visible at once, as one version.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isnan

import numpy as np
import structlog
from msgspec.structs import replace

from musterd.beat import Status, member_id
from musterd.model import Facts, Member, MemberChange, State, Transition, Verdict
from musterd.stores import Roster
from musterd_coordinator.changes import ChangeLog
from musterd_coordinator.detector import Cause, Changes, Detector, Rules
from musterd_coordinator.directory import Directory
from musterd_coordinator.listening import ListeningClock, Step
from musterd_coordinator.members import CODES, STATES, Code
from musterd_coordinator.registry import Entry
from musterd_coordinator.shard import Clocks, Shard, wall_instant
from musterd_coordinator.sweep import Swept
from musterd_coordinator.wording import BEATING, cause_text, silence

log = structlog.get_logger(__name__)

NO_FACTS = Facts()


def decide(code: int, draining: bool, facts: Facts) -> Verdict:
    """The verdict on a member in a state, by what its agent and operators say. Pure."""
    up = code in (Code.UP, Code.SUSPECT) and not facts.forced_down
    return Verdict(
        up=up,
        schedulable=up and not facts.disabled and not draining,
        down=code in (Code.DOWN, Code.LEFT) or facts.forced_down,
        state=STATES[Code(code)],
    )


# Most members have no facts: their verdicts are made once.
_VERDICTS = {
    (int(code), draining): decide(code, draining, NO_FACTS)
    for code in STATES
    for draining in (False, True)
}


class Roll:
    """Members, states and versions."""

    def __init__(
        self,
        rules: Rules,
        shard_names: Sequence[str],
        *,
        namespace: str,
        place: Callable[[int], Sequence[int]],
        replicas: int,
        sweep_period: float,
        sweep_timeout: float,
        clocks: Clocks,
    ) -> None:
        clock = partial(ListeningClock, sweep_period, sweep_timeout)
        self.shards = [Shard(name, clock(), since=clocks.wall()) for name in shard_names]
        self.detector = Detector(rules, [shard.clock for shard in self.shards], replicas)
        self.directory = Directory()
        self.clocks = clocks
        self.changes = ChangeLog(int(clocks.wall() * 1000), self._change)
        self.facts: dict[int, Facts] = {}
        self.unsaved: set[int] = set()
        self.transitions: list[Transition] = []
        self._reasons: list[str] = []
        self._forgotten: set[int] = set()  # by another coordinator, and still seated
        self._ready = False
        self._namespace = namespace
        self._place = place

    @property
    def version(self) -> int:
        """One more for each sweep or order that changed anything."""
        return self.changes.version

    @property
    def ready(self) -> bool:
        """Has every shard been listened to long enough for its living members to be heard?

        A shard that was tried and does not answer is not waited for while another one listens.
        """
        self._ready = self._ready or (
            all(shard.sweeps for shard in self.shards)
            and any(shard.clock.listening for shard in self.shards)
            and all(map(self._heard_enough, range(len(self.shards))))
        )
        return self._ready

    def _heard_enough(self, index: int) -> bool:
        clock = self.shards[index].clock
        return not clock.listening or self.detector.heard_out(index)

    # -- what sweeps bring ---------------------------------------------------------------

    def take(self, index: int, swept: Swept) -> None:
        """Take in one sweep of shard ``index``: seats, beats, and, if it is proven, verdicts."""
        shard = self.shards[index]
        step = self.detector.advance(index, swept.begin, swept.end, swept.proven)
        if shard.note(swept, step, self.clocks.wall()):
            self.changes.notice()
        self._seat(index, swept.roster)
        for changes in self._judge(index, swept, step):
            self._apply(changes, shard)
        self.changes.publish()

    def _judge(self, index: int, swept: Swept, step: Step) -> Iterable[Changes]:
        shard = self.shards[index]
        if swept.sweep is not None:
            rows, beats = shard.seats.news(swept.sweep.beats)
            shard.seats.swept |= swept.sweep.complete
            if len(rows):
                yield from self.detector.hear(rows, beats, swept.begin)
        if step is Step.ADVANCED:
            yield from self.detector.judge(index)
        yield from self.detector.end_conflicts(swept.begin)

    # -- who is on it --------------------------------------------------------------------

    def restore(self, entries: Iterable[Entry]) -> None:
        """Begin with the members, states and facts that a registry kept."""
        for entry in entries:
            self._restore(entry)
        self.changes.publish()

    def merge(self, changed: Iterable[Entry | tuple[str, str]]) -> None:
        """Take over what other coordinators changed in a shared registry: facts and members."""
        for each in changed:
            if isinstance(each, tuple):
                if (row := self.directory.row(*each)) is not None:
                    self._forgotten_elsewhere(row)
            elif (row := self.directory.row(each.member.group, each.member.name)) is None:
                self._restore(each)
            elif each.facts != self.facts.get(row, NO_FACTS):
                self._set_facts(row, each.facts)
        self.changes.publish()

    def set_facts(self, row: int, facts: Facts, note: str) -> None:
        """An operator's order, already durable; ``note`` goes into the history."""
        self._set_facts(row, facts)
        state = self.state(row)
        self.transitions.append(self._transition(row, state, state, note))
        self.changes.publish()

    def remove(self, row: int) -> None:
        """Forget a member."""
        self._remove(row)
        self.changes.publish()

    def effective(self, row: int) -> Member:
        """The member with zone, owner and metadata as operators see them."""
        member, facts = self.directory.member(row), self.facts.get(row)
        if facts is None:
            return member
        return Member(
            member.group,
            member.name,
            member.zone if facts.zone is None else facts.zone,
            member.owner if facts.owner is None else facts.owner,
            member.metadata if facts.metadata is None else facts.metadata,
        )

    def state(self, row: int) -> State:
        """Its state."""
        return STATES[self.detector.members.state.item(row)]

    def reason(self, row: int) -> str:
        """Why it is in that state."""
        return self._reasons[row]

    def verdict(self, row: int) -> Verdict:
        """May I talk to it, may I place work on it, may I evacuate it?"""
        members = self.detector.members
        return self._verdict(row, members.state.item(row), members.status.item(row))

    def verdicts(self, rows: Sequence[int]) -> list[Verdict]:
        """The same for many at once."""
        members, chosen = self.detector.members, np.array(rows, np.int64)
        states, statuses = members.state[chosen].tolist(), members.status[chosen].tolist()
        return list(map(self._verdict, rows, states, statuses))

    def _verdict(self, row: int, code: int, status: int) -> Verdict:
        draining = status == Status.DRAINING
        if (facts := self.facts.get(row)) is None:
            return _VERDICTS[code, draining]
        return decide(code, draining, facts)

    def entry(self, row: int) -> Entry:
        """What the registry should keep of it."""
        since = wall_instant(self.detector.members.since[row])
        return Entry(
            member=self.directory.member(row),
            facts=self.facts.get(row, NO_FACTS),
            state=self.state(row),
            reason=self._reasons[row],
            since=since,
            first_seen=since,
            interval=float(self.detector.members.interval[row]),
        )

    def place_of(self, group: str, member: str) -> Sequence[int]:
        """The shards that a member is placed on."""
        return self._place(member_id(self._namespace, group, member))

    def _seat(self, index: int, roster: Roster) -> None:
        seats = self.shards[index].seats
        for slot in roster.vacated:
            row = seats.vacate(slot)
            if row in self._forgotten and not self._is_seated(row):
                self._remove(row)
        for slot, member in roster.seated:
            seats.seat(slot, self._row_for(member, index))

    def _is_seated(self, row: int) -> bool:
        return any(shard.seats.holds(row) for shard in self.shards)

    def _forgotten_elsewhere(self, row: int) -> None:
        """Another coordinator forgot this member: it goes once no shard seats it any more.

        It may have announced itself anew before we heard that it was forgotten; then it stays, as
        the new member that it is, without what operators said of the old one.
        """
        if self._is_seated(row):
            self._forgotten.add(row)
            self._set_facts(row, NO_FACTS)
        else:
            self._remove(row)

    def _row_for(self, member: Member, index: int) -> int:
        row = self.directory.row(member.group, member.name)
        if row is None:
            row = self._add(member, State.UNKNOWN, "announced; no beat seen yet", quiet=0.0)
            self.unsaved.add(row)
        elif member != self.directory.member(row):
            self.directory.announce(row, member)
            self._set_zone(row)
            self.unsaved.add(row)
            self.changes.touch(row)
        if index not in self.detector.members.shard[:, row]:
            self._replace(row, index, member)
        return row

    def _replace(self, row: int, index: int, member: Member) -> None:
        """A member that beats elsewhere than its placement says: its agent has other settings."""
        log.warning(
            "member placed differently",
            member=str(member),
            shard=self.shards[index].name,
            cure="give agents and coordinators the same list of servers and replicas",
        )
        others = [int(shard) for shard in self.detector.members.shard[:, row] if shard >= 0]
        self.detector.move(row, [index, *others][: self.detector.members.replicas])
        self.directory.groups[member.group].shards.add(index)

    def _add(self, member: Member, state: State, reason: str, quiet: float) -> int:
        identity = member_id(self._namespace, member.group, member.name)
        row = self.detector.add(self._place(identity), state=CODES[state], quiet=quiet)
        self.directory.add(member, identity, row)
        self.directory.groups[member.group].shards.update(self._place(identity))
        if row >= len(self._reasons):
            self._reasons.extend([""] * (row + 1 - len(self._reasons)))
        self._reasons[row] = reason
        self.detector.members.since[row] = self.clocks.wall()
        self._set_zone(row)
        self.changes.touch(row)
        return row

    def _restore(self, entry: Entry) -> None:
        down_time = self.detector.rules.service_down_time
        dead = entry.state in (State.DOWN, State.LEFT)
        since = entry.since.timestamp()
        # Long past any mass silence: what fell before this coordinator began is no part of one.
        quiet = max(3 * down_time, self.clocks.wall() - since) if dead else 0.0
        row = self._add(entry.member, entry.state, entry.reason, quiet)
        self.detector.members.since[row] = since
        self.detector.members.interval[row] = entry.interval
        if entry.facts != NO_FACTS:
            self.facts[row] = entry.facts
            self._set_zone(row)

    def _remove(self, row: int) -> None:
        member = self.directory.member(row)
        self.changes.forget(row, replace(self._change(row), gone=True, version=self.version + 1))
        for shard in self.shards:
            shard.seats.leave(row)
        self.directory.remove(row, member_id(self._namespace, member.group, member.name))
        self.detector.members.remove(row)
        self.facts.pop(row, None)
        self.unsaved.discard(row)
        self._forgotten.discard(row)

    def _set_facts(self, row: int, facts: Facts) -> None:
        if facts == NO_FACTS:
            self.facts.pop(row, None)
        else:
            self.facts[row] = facts
        self._set_zone(row)
        self.changes.touch(row)

    def _set_zone(self, row: int) -> None:
        member = self.effective(row)
        self.detector.members.zone[row] = self.directory.zone_code(member.group, member.zone)

    # -- what changed --------------------------------------------------------------------

    def _apply(self, changes: Changes, shard: Shard) -> None:
        for row, old, new, cause, silent in zip(
            changes.rows.tolist(),
            changes.old.tolist(),
            changes.new.tolist(),
            changes.cause.tolist(),
            changes.silence.tolist(),
            strict=True,
        ):
            reason = self._words(row, Cause(cause), silent, shard)
            transition = self._transition(row, STATES[old], STATES[new], reason)
            self._log(transition, Cause(cause))
            self.transitions.append(transition)
            self._reasons[row] = reason if cause != Cause.CONFLICT_OVER else BEATING
            if old != new:
                self.detector.members.since[row] = self.clocks.wall()
            self.unsaved.add(row)
            self.changes.touch(row)

    def _words(self, row: int, cause: Cause, silent: float, shard: Shard) -> str:
        members, rules = self.detector.members, self.detector.rules
        heard_at = float(members.heard_at[row])
        last = None if isnan(heard_at) else f"{self.clocks.instant(heard_at):%Y-%m-%dT%H:%M:%SZ}"
        ago = shard.clock.staleness(self.clocks.monotonic()) or 0.0
        incarnations = int(members.incarnation[row]), int(members.previous_incarnation[row])
        return cause_text(
            cause, silence(silent, last, shard.name, ago), incarnations, rules.storm_hold
        )

    def _change(self, row: int) -> MemberChange:
        member, verdict = self.directory.member(row), self.verdict(row)
        return MemberChange(
            version=self.version,
            at=wall_instant(self.clocks.wall()),
            group=member.group,
            member=member.name,
            state=verdict.state,
            up=verdict.up,
            schedulable=verdict.schedulable,
            down=verdict.down,
            reason=self._reasons[row],
        )

    def _transition(self, row: int, old: State, new: State, reason: str) -> Transition:
        member = self.directory.member(row)
        now = wall_instant(self.clocks.wall())
        return Transition(self.version + 1, now, member.group, member.name, old, new, reason)

    def _log(self, transition: Transition, cause: Cause) -> None:
        """Deaths, conflicts and returns are worth a line each; a fleet's first beats are not."""
        if cause is Cause.FIRST_BEAT:
            return
        tell = log.info if transition.new in (State.UP, State.LEFT) else log.warning
        if cause is Cause.CONFLICT:
            tell = log.warning
        event = f"member {transition.new}" if transition.old != transition.new else "member beats"
        name = f"{transition.group}/{transition.member}"
        tell(event, member=name, was=str(transition.old), reason=transition.reason)
