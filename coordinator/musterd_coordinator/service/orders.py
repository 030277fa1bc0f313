"""The desk of a running coordinator answers from the roll, and takes orders through the registry."""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import structlog
from msgspec.structs import replace

from musterd.answers import History, HistoryBuckets, HistoryPage, MemberAnswer, MemberChange
from musterd.errors import Conflict, NotFound
from musterd.incidents import Incident, IncidentList
from musterd.model import Facts, FactsChange, Member, State
from musterd.orders import (
    UNTOLD,
    GroupOrder,
    OrderAnswer,
    Origin,
    check_change,
    check_group_order,
)
from musterd.settings.settings import Settings
from musterd.status import PeerStatus, ShardStatus, StatusAnswer
from musterd_coordinator.incidents.circumstances import Circumstances
from musterd_coordinator.limits.rates import Repeats
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.verdicts import NO_FACTS
from musterd_coordinator.roll.versions import no_news
from musterd_coordinator.service.access import Access
from musterd_coordinator.service.changing import changed, described, refuse_for_nova, told
from musterd_coordinator.service.hindsight import Hindsight, HistoryDesk
from musterd_coordinator.service.incidents import IncidentWatch
from musterd_coordinator.service.many import GroupOrders
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.service.status import Identity, RegistryStatus, shard_statuses, status
from musterd_coordinator.steps import Steps, whole

ORDERS_LOGGED = 500
"""Orders that have a line of their own in the log within a minute."""

log = structlog.get_logger(__name__)

Retire = Callable[[Sequence[Member]], Awaitable[None]]


def _adopt_nothing(settings: Settings) -> None:
    """Do nothing: the coordinator of such an office goes by the same settings for good."""


class CoordinatorService(Queries):
    """A `CoordinatorService` is a :class:`musterd_coordinator.service.contract.CoordinatorApi`.

    ``adopt`` lets the coordinator behind it go by other settings from now on.

    ``retire`` removes members from the shards that can be reached. Orders are taken one at a
    time, and each is durable before it shows. ``access`` knows who may ask and order.
    """

    access: Access

    def __init__(
        self,
        roll: Roll,
        registry: Registry,
        recorder: RegistryWriter,
        identity: Identity,
        retire: Retire,
    ) -> None:
        super().__init__(roll.view)
        self._roll = roll
        self._registry = registry
        self._recorder = recorder
        self._identity = identity
        self._retire = retire
        self._orders = anyio.Lock()
        self.peers: Sequence[PeerStatus] = ()  # other coordinators, where there is one to tell
        self.watch = IncidentWatch(roll.view, self._circumstances)
        # Where others write to the registry as well, what is known here may not be the newest.
        self._alone = registry.url.startswith("sqlite:")
        self._hindsight = HistoryDesk(registry, roll.view.clocks.wall)
        self._many = GroupOrders(self, roll, registry, recorder)
        self._lines = Repeats(roll.view.clocks.monotonic, ORDERS_LOGGED)
        self.adopt: Callable[[Settings], None] = _adopt_nothing
        self.renew: Callable[[], None] = lambda: None  # take a renewed key now

    @property
    def ready(self) -> bool:
        """Say whether every shard was listened to long enough to answer for its members."""
        return self._view.ready

    def status(self) -> StatusAnswer:
        """Return how the coordinator itself and its shards are."""
        return whole(self.status_steps())

    def status_steps(self) -> Steps[StatusAnswer]:
        """Return :meth:`status` in steps."""
        recorder = self._recorder
        registry = RegistryStatus(
            *(recorder.unsaved, recorder.health.reason, self.facts_age),
            *(recorder.quarantined, self.peers),
        )
        return status(self._view, self, self._identity, registry)

    def incidents(self) -> IncidentList:
        """Return what needs attention, as it was at the newest look."""
        return self.watch.listed

    def incidents_of(self, group: str) -> Sequence[Incident]:
        """Return what needs attention in one group."""
        return self.watch.of_group(group)

    def _circumstances(self) -> Circumstances:
        hearing, recorder = self._view.hearing, self._recorder
        return Circumstances(
            self._identity.name,
            hearing.shards,
            self._identity.sweep_period,
            hearing.redundancy_lost(),
            recorder.health.reason,
            recorder.unsaved,
            self.facts_age,
            self.peers,
        )

    @property
    def facts_age(self) -> float | None:
        """Return the seconds since the registry last told what operators say; None: never."""
        age = self._recorder.health.facts_age
        return None if age is None else round(age, 3)

    def summary(self) -> tuple[bool, dict[State, int]]:
        """Say whether it is listening, and how many members it sees in each state."""
        return self.freshness()[0], tally.states(self.tally().all)

    def shard_statuses(self) -> list[ShardStatus]:
        """Return how its shards alone are, which needs no look at the members."""
        return shard_statuses(self._view.hearing)

    async def wait_version(self, after: int, news: Callable[[], bool] = no_news) -> int:
        """Return the version, as soon as it is another than ``after``, or incidents changed to ``news``."""
        return await self._view.changes.wait(after, news)

    async def flushed(self) -> None:
        """Return when all changes up to now are at hand."""
        await self._view.changes.flushed()

    def changes_since(
        self, version: int, group: str | None = None
    ) -> Sequence[MemberChange] | None:
        """Return every change after ``version``, or None when they are not all at hand."""
        return self._view.changes.changes_since(version, group)

    def is_at_hand(self, version: int) -> bool:
        """Say whether :meth:`changes_since` would know all that changed after ``version``."""
        return self._view.changes.has(version)

    async def change_facts(
        self, group: str, member: str, change: FactsChange, origin: Origin = UNTOLD
    ) -> MemberAnswer:
        """Change durably what an operator may change; return the member as it is then."""
        check_change(change)
        self._recorder.must_be_there()
        async with self._orders:
            row, before = self.row(group, member), list[Facts]()
            refuse_for_nova(self._view, row, change)
            known = self._view.facts(row) or NO_FACTS
            if changed(known, change) == known and self._alone:
                return self.member(group, member)

            def changing(facts: Facts) -> Facts:
                before.append(facts)
                return changed(facts, change)

            async with self._recorder.holding([row]):
                facts = await self._registry.change_facts(group, member, changing)
                if self._view.row(group, member) != row:
                    raise NotFound(f"{group}/{member} was forgotten meanwhile")
                if [facts] != before or facts != known:
                    note = described(change)
                    self._log("member changed", f"{group}/{member}", origin, change=note)
                    self._roll.set_facts(row, facts, note, origin)
            return self.member(group, member)

    async def order(self, group: str, order: GroupOrder, origin: Origin = UNTOLD) -> OrderAnswer:
        """Give one order for many members, durably and all at once; Conflict where it is not expected."""
        check_group_order(order)
        self._recorder.must_be_there()
        async with self._orders:
            return await self._many.give(group, order, origin)

    async def forget(
        self, group: str, member: str, *, force: bool = False, origin: Origin = UNTOLD
    ) -> None:
        """Forget a member; Conflict while its beats say that it is up, unless ``force``.

        One that still beats joins anew with its next beat, and an order that held it down is gone.
        """
        self._recorder.must_be_there()
        async with self._orders:
            row = self.row(group, member)
            if self._view.state(row) in (State.UP, State.SUSPECT) and not force:
                raise Conflict(
                    f"{group}/{member} is {self._view.state(row)}: stop its agent first, or force it"
                )
            if self._view.is_listed(row):
                raise Conflict(
                    f"{group}/{member} is listed by Nova, and would be back at once: delete it there, as by"
                    " `openstack compute service delete`"
                )
            forgotten = self._view.member(row)
            async with self._recorder.holding([row]):  # or it might be written once more after that
                number = await self._registry.forget([(group, member)])
                if self._view.row(group, member) == row:
                    self._roll.remove([row], number, "operator: forgotten", origin)
            self._log("member forgotten", f"{group}/{member}", origin, forced=force)
            await self._retire([forgotten])

    async def forget_left(self, members: Sequence[Member]) -> None:
        """Forget those ``members`` that left and of which no operator said anything, all at once."""
        await self._forget_those(members, self._left, "they left")

    async def forget_unlisted(self, members: Sequence[Member]) -> None:
        """Forget those ``members`` that their store lists no more, all at once."""
        await self._forget_those(members, self._unlisted, "Nova lists them no more")

    async def _forget_those(
        self, members: Sequence[Member], still: Callable[[Member], int | None], reason: str
    ) -> None:
        """Forget ``members`` of which ``still`` returns a row, as it may not when that is due."""
        async with self._orders:
            gone = {row: member for member in members if (row := still(member)) is not None}
            names = [(member.group, member.name) for member in gone.values()]
            async with self._recorder.holding(list(gone)):
                number = await self._registry.forget(names)
                left = [row for row, each in gone.items() if still(each) == row]
                self._roll.remove(left, number)
            log.info("members forgotten", count=len(gone), reason=reason)
            await self._retire(list(gone.values()))

    def _left(self, member: Member) -> int | None:
        """Return the row of ``member`` if it left, and no operator said anything of it."""
        row = self._view.row(member.group, member.name)
        if row is None or self._view.facts(row) is not None:
            return None
        return row if self._view.state(row) is State.LEFT else None

    def _unlisted(self, member: Member) -> int | None:
        """Return the row of ``member`` if its store lists it no more."""
        row = self._view.row(member.group, member.name)
        return None if row is None or self._view.is_listed(row) else row

    def _log(self, event: str, member: str, origin: Origin, **fields: object) -> None:
        """Write a line of the log, unless very many came within a minute: the history has each."""
        more = self._lines.one_more()
        if more is not None:
            log.info(
                event, member=member, **fields, **told(origin), **({"more": more} if more else {})
            )

    async def history_page(self, asked: Hindsight, before: str, limit: int) -> HistoryPage:
        """Return changes of many members, newest first; what is not written yet is not in it."""
        return await self._hindsight.page(asked, before, limit)

    async def history_buckets(self, asked: Hindsight, step: int) -> HistoryBuckets:
        """Count changes of many members by steps of so many seconds."""
        return await self._hindsight.buckets(asked, step)

    async def history(self, group: str, member: str, limit: int) -> History:
        """Return its state changes, newest first; a forgotten member's too, while they are kept."""
        kept = await self._registry.history(group, member, limit)
        row = self._view.row(group, member)
        news = self._recorder.unwritten(row, group, member)
        if not (kept or news):
            self.row(group, member)
        own = [replace(line, coordinator=self._identity.name) for line in news]
        lines = list(dict.fromkeys([*reversed(kept), *own]))  # some may just have been written
        return History(group, member, lines[: -limit - 1 : -1])
