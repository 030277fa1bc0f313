"""A desk over a dict of members: honest answers without a store, for tests of the HTTP API."""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import anyio
import msgspec

from musterd.answers import (
    GroupAnswer,
    GroupList,
    GroupSummary,
    History,
    HistoryBucket,
    HistoryBuckets,
    HistoryPage,
    MemberAnswer,
    MemberChange,
    MemberPage,
    QueryAnswer,
)
from musterd.errors import Conflict, NotFound
from musterd.incidents import Incident, IncidentList
from musterd.model import FactsChange, Mark, Member, State, Transition, Verdict
from musterd.orders import (
    UNTOLD,
    GroupOrder,
    OrderAnswer,
    Origin,
    Selector,
    check_change,
    check_group_order,
)
from musterd.status import ShardStatus, StatusAnswer, StormStatus
from musterd_coordinator.judge.members import Members
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.versions import no_news
from musterd_coordinator.roll.zones import Zones
from musterd_coordinator.service.changing import changed
from musterd_coordinator.service.contract import BY_NAME, MemberSummary, Ordering
from musterd_coordinator.service.hindsight import Hindsight
from musterd_coordinator.service.selection import NO_FILTERS, Filters
from musterd_coordinator.steps import Steps
from tests.desk_columns import DictColumns
from tests.desk_counts import VERDICTS, counted_marks, counted_states, counted_verdicts
from tests.desk_seats import NOW, Seat, answer_of, change_of, verdict_of


class DictDesk:
    """What a coordinator knows, changed by the test itself through :meth:`put` and :meth:`listen`."""

    def __init__(self, *, log_size: int = 10_000) -> None:
        self.ready = True
        self.listening = True
        self.staleness: float | None = 0.25
        self.version = 1
        self.shards: list[ShardStatus] = [shard_status("mc1:11211")]
        self.storms: list[StormStatus] = []
        self.redundancy_lost: list[str] = []
        self.listed = IncidentList(1, NOW, [], [])
        self.figures = RunFigures(Members(1), Zones())
        self.origins: list[Origin] = []  # of the orders that came
        self._groups: dict[str, dict[str, Seat]] = {}
        self._names: dict[str, list[str]] = {}
        self._log: deque[MemberChange] = deque(maxlen=log_size)
        self._forgotten_before = 1
        self._news = anyio.Event()
        self.columns = DictColumns(self._answers, self.changes_since)

    # What the test does to it

    def put(self, *members: Member, state: State = State.UP, reason: str = "beats") -> None:
        """Give these members this state, all in one version."""
        self.version += 1
        for member in members:
            seats = self._groups.setdefault(member.group, {})
            seat = seats.setdefault(member.name, Seat(member, State.UNKNOWN, "", history=[]))
            change = Transition(
                self.version, NOW, member.group, member.name, seat.state, state, reason
            )
            seat.member, seat.state, seat.reason = member, state, reason
            seat.history.insert(0, change)
            self._note(seat, old=change.old)
        self._names = {group: sorted(seats) for group, seats in self._groups.items()}
        self._tell()

    def listen(self, listening: bool, staleness: float | None) -> None:
        """Hear the store, or not."""
        self.listening, self.staleness = listening, staleness
        self.version += 1
        self._tell()

    def attend(self, *incidents: Incident) -> None:
        """Let these need attention."""
        self.listed = IncidentList(self.version, NOW, incidents, [])
        self._tell()

    def _note(self, seat: Seat, *, gone: bool = False, old: State | None = None) -> None:
        if len(self._log) == self._log.maxlen:
            self._forgotten_before = self._log[0].version
        self._log.append(change_of(seat, self.version, gone=gone, old=old))

    def _answers(self) -> list[MemberAnswer]:
        return [answer_of(seat) for seats in self._groups.values() for seat in seats.values()]

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    # The Desk

    def groups(self) -> GroupList:
        summaries = [
            GroupSummary(
                group,
                len(seats),
                counted_states(answers),
                counted_verdicts(answers),
                counted_marks(answers),
            )
            for group, seats in sorted(self._groups.items())
            for answers in [[answer_of(seat) for seat in seats.values()]]
        ]
        return GroupList(self.version, self.listening, self.staleness, summaries)

    def group(self, group: str) -> GroupAnswer:
        seats = self._seats(group)
        answers = [answer_of(seat) for seat in seats.values()]
        zones: dict[str, list[MemberAnswer]] = {}
        for answer in answers:
            zones.setdefault(answer.zone, []).append(answer)
        return GroupAnswer(
            self.version,
            self.listening,
            self.staleness,
            group,
            len(seats),
            counted_states(answers),
            {zone: counted_states(part) for zone, part in zones.items()},
            counted_verdicts(answers),
            counted_marks(answers),
        )

    @property
    def size(self) -> int:
        return sum(map(len, self._groups.values()))

    def freshness(self, group: str | None = None) -> tuple[bool, float | None]:
        if group is not None:
            self._seats(group)
        return self.listening, self.staleness

    def groups_steps(self) -> Steps[GroupList]:
        yield
        return self.groups()

    def group_steps(self, group: str) -> Steps[GroupAnswer]:
        self._seats(group)
        yield
        return self.group(group)

    def members_steps(
        self,
        group: str,
        filters: Filters,
        after: str,
        limit: int,
        ordering: Ordering = BY_NAME,
    ) -> Steps[MemberPage]:
        self._seats(group)
        yield
        assert ordering == BY_NAME, "this desk knows no other order"
        return self.members(group, filters, after, limit)

    def portions(self, group: str | None) -> Iterator[dict[str, dict[str, Verdict]]]:
        for name in sorted(self._groups) if group is None else [group]:
            seats = self._groups.get(name, {})
            for at in range(0, len(seats), 1000):
                some = list(seats.items())[at : at + 1000]
                yield {name: {member: verdict_of(answer_of(seat)) for member, seat in some}}

    def summaries(self, group: str) -> Iterator[Sequence[MemberSummary]]:
        for seat in self._groups.get(group, {}).values():
            answer = answer_of(seat)
            member = msgspec.structs.replace(seat.member, zone=answer.zone)
            yield [MemberSummary(member, verdict_of(answer), seat.facts)]

    def members(
        self, group: str, asked: Filters = NO_FILTERS, after: str = "", limit: int = 1000
    ) -> MemberPage:
        seats = self._seats(group)
        names = self._names[group]
        page: list[MemberAnswer] = []
        for name in names[bisect_right(names, after) :]:
            answer = answer_of(seats[name])
            wanted = (
                asked.state in (None, answer.state)
                and asked.zone in (None, answer.zone)
                and asked.up in (None, answer.up)
                and (asked.mark is None or asked.mark in answer.marks)
                and answer.silent_for >= (asked.silent_for or 0.0)
                and (asked.match or "").lower() in name.lower()
                and asked.owner in (None, answer.owner)
                and asked.cause is None
            )
            if wanted and len(page) == limit:
                return self._page(page, page[-1].member)
            if wanted:
                page.append(answer)
        return self._page(page, None)

    def _page(self, page: list[MemberAnswer], following: str | None) -> MemberPage:
        return MemberPage(self.version, self.listening, self.staleness, page, following)

    def member(self, group: str, member: str) -> MemberAnswer:
        return answer_of(self._seat(group, member))

    def query(self, group: str, members: list[str]) -> QueryAnswer:
        seats = self._seats(group)
        verdicts = {name: verdict_of(answer_of(seats[name])) for name in members if name in seats}
        missing = [name for name in members if name not in seats]
        return QueryAnswer(self.version, self.listening, self.staleness, verdicts, missing)

    async def wait_version(self, after: int, news: Callable[[], bool] = no_news) -> int:
        while self.version == after and not news():
            await self._news.wait()
        return self.version

    async def flushed(self) -> None:
        pass

    def changes_since(
        self, version: int, group: str | None = None
    ) -> Sequence[MemberChange] | None:
        if not self._forgotten_before <= version <= self.version:
            return None
        return [
            change
            for change in self._log
            if change.version > version and group in (None, change.group)
        ]

    def is_at_hand(self, version: int) -> bool:
        return self._forgotten_before <= version <= self.version

    def shard_statuses(self) -> list[ShardStatus]:
        return self.shards

    def incidents(self) -> IncidentList:
        return self.listed

    def incidents_of(self, group: str) -> Sequence[Incident]:
        return [one for one in self.listed.incidents if one.group == group]

    def status_steps(self) -> Steps[StatusAnswer]:
        yield
        return self.status()

    def status(self) -> StatusAnswer:
        groups = self.groups().groups
        return StatusAnswer(
            coordinator="c1",
            musterd="0.1.0",
            started=NOW,
            ready=self.ready,
            version=self.version,
            listening=self.listening,
            staleness=self.staleness,
            store="memcached://mc1:11211",
            registry="sqlite:///musterd.db",
            groups=len(groups),
            members=sum(group.members for group in groups),
            states=dict(sum((Counter(group.states) for group in groups), Counter[State]())),
            service_down_time=60.0,
            sweep_period=1.0,
            shards=self.shards,
            storms=self.storms,
            redundancy_lost=self.redundancy_lost,
            verdicts={name: sum(group.verdicts[name] for group in groups) for name in VERDICTS},
            marks={mark: sum(group.marks[mark] for group in groups) for mark in Mark},
        )

    async def change_facts(
        self, group: str, member: str, change: FactsChange, origin: Origin = UNTOLD
    ) -> MemberAnswer:
        check_change(change)
        self.origins.append(origin)
        seat = self._seat(group, member)
        seat.facts = changed(seat.facts, change)
        self.version += 1
        self._note(seat)
        self._tell()
        return answer_of(seat)

    async def order(self, group: str, order: GroupOrder, origin: Origin = UNTOLD) -> OrderAnswer:
        check_group_order(order)
        seats = self._seats(group)
        names = list(seats)
        if isinstance(order.selector, Selector):
            given = msgspec.structs.asdict(order.selector)
            given = {name: value for name, value in given.items() if value is not msgspec.UNSET}
            given.pop("everybody", None)
            names = [
                each.member for each in self.members(group, Filters(**given), limit=10_000).members
            ]
        elif isinstance(order.members, list):
            names = list(dict.fromkeys(order.members))
        here = [name for name in names if name in seats]
        if order.confirm_silence:
            here = [name for name in here if seats[name].state is State.SUSPECT]
        elif not order.dry_run:
            for name in here:
                await self.change_facts(group, name, order.change, origin)
        missing = [name for name in names if name not in seats]
        return OrderAnswer(
            self.version, len(here), len(here), sorted(here)[:100], order.dry_run, missing
        )

    async def forget(
        self, group: str, member: str, *, force: bool = False, origin: Origin = UNTOLD
    ) -> None:
        self.origins.append(origin)
        seat = self._seat(group, member)
        if answer_of(seat).up and not force:
            raise Conflict(f"{group}/{member} is up; stop its agent first, or use force")
        self.version += 1
        self._note(seat, gone=True)
        del self._groups[group][member]
        self._names[group].remove(member)
        if not self._groups[group]:
            del self._groups[group], self._names[group]
        self._tell()

    async def history_page(self, asked: Hindsight, before: str, limit: int) -> HistoryPage:
        lines = [
            line
            for seats in self._groups.values()
            for one in seats.values()
            for line in one.history
        ]
        lines = [line for line in lines if asked.group in (None, line.group)]
        lines = sorted(lines, key=lambda line: line.version, reverse=True)
        begin = int(before.partition("-")[2]) if before else 0
        more = begin + limit < len(lines)
        return HistoryPage(lines[begin : begin + limit], f"0-{begin + limit}" if more else None)

    async def history_buckets(self, asked: Hindsight, step: int) -> HistoryBuckets:
        page = await self.history_page(asked, "", 1000)
        bucket = HistoryBucket(NOW, up=len(page.changes))
        return HistoryBuckets(step, asked.since or NOW, [bucket])

    async def history(self, group: str, member: str, limit: int) -> History:
        return History(group, member, self._seat(group, member).history[:limit])

    def _seats(self, group: str) -> dict[str, Seat]:
        if group not in self._groups:
            raise NotFound(f"no group {group!r}; there are {len(self._groups)} groups")
        return self._groups[group]

    def _seat(self, group: str, member: str) -> Seat:
        seats = self._seats(group)
        if member not in seats:
            raise NotFound(f"no member {member!r} in {group!r}, which has {len(seats)} members")
        return seats[member]


def shard_status(shard: str, *, listening: bool = True, reason: str = "") -> ShardStatus:
    """A shard that was swept a hundred times."""
    return ShardStatus(
        shard=shard,
        listening=listening,
        reason=reason,
        since=NOW,
        staleness=0.25,
        canary_seconds=0.0004,
        sweep_seconds=0.0021,
        listening_time=100.0,
        members=3,
        beats=3,
        sweeps=100,
        unproven_sweeps=0,
        rejected={"magic": 0},
    )
