"""The HTTP API may ask of a coordinator what stands here: it is the one seam between them.

Reads are plain calls answered from memory: they never touch the store or the registry and never
wait. Writes and history go to the registry and are awaited. Every read of one group raises
NotFound with a text that names the group's size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from musterd.answers import (
    GroupAnswer,
    GroupList,
    History,
    HistoryBuckets,
    HistoryPage,
    MemberAnswer,
    MemberChange,
    MemberPage,
    QueryAnswer,
)
from musterd.incidents import Incident, IncidentList
from musterd.model import Facts, FactsChange, Member, SortKey, SortOrder, Verdict
from musterd.orders import UNTOLD, GroupOrder, OrderAnswer, Origin
from musterd.status import ShardStatus, StatusAnswer
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.arrangement import Arrangement
from musterd_coordinator.roll.cells import Cells
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.versions import no_news
from musterd_coordinator.steps import Steps

if TYPE_CHECKING:
    from musterd_coordinator.service.hindsight import Hindsight
    from musterd_coordinator.service.selection import Filters

PAGE_LIMIT = 1000


class Ordering(NamedTuple):
    """An `Ordering` is by what members are sorted, and which way."""

    sort: SortKey = SortKey.NAME
    order: SortOrder = SortOrder.ASC


BY_NAME = Ordering()


class MemberSummary(NamedTuple):
    """A `MemberSummary` is how one member stands: what may be done with it, and what operators say of it.

    ``member`` is as operators see it.
    """

    member: Member
    verdict: Verdict
    facts: Facts


class ColumnSource(Protocol):
    """A `ColumnSource` tells of all members in columns: see :class:`~musterd.answers.Columns`.

    What it says is of one moment, and of the version then.
    """

    @property
    def at(self) -> datetime:
        """Return the time now, by the wall clock."""

    def arrange(self) -> Steps[Arrangement]:
        """Return the order in which all members stand when the last step is done."""

    def is_newest(self, arrangement: Arrangement) -> bool:
        """Say whether nobody joined, went or moved since."""

    def cells(self, arrangement: Arrangement) -> Cells:
        """Return the cells (n) of all members, in order."""

    def changed(
        self, arrangement: Arrangement, since: int
    ) -> Mapping[str, Sequence[tuple[int, int]]] | None:
        """Return the ordinals and cells of the members that changed after a version, by group.

        None: it is not known any more who did. Left out are those that joined, went or moved since
        the arrangement.
        """

    def is_at_hand(self, since: int) -> bool:
        """Say whether :meth:`changed` would know all that changed after a version."""

    def names(self, rows: Rows) -> list[str] | None:
        """Return the names of the members of ``rows`` (n); None where not all are in their places."""


class CoordinatorApi(Protocol):
    """A `CoordinatorApi` takes questions and orders of schedulers and operators."""

    @property
    def ready(self) -> bool:
        """Say whether this coordinator has listened long enough to answer."""

    @property
    def version(self) -> int:
        """Return the version of what it knows."""

    @property
    def figures(self) -> RunFigures:
        """Return what this coordinator did since it started, counted."""

    @property
    def size(self) -> int:
        """Return how many members there are."""

    @property
    def columns(self) -> ColumnSource:
        """Return what tells of all members in columns."""

    def freshness(self, group: str | None = None) -> tuple[bool, float | None]:
        """Return ``listening`` and ``staleness``, of one group if it is named."""

    def groups(self) -> GroupList:
        """Return all groups."""

    def groups_steps(self) -> Steps[GroupList]:
        """Return :meth:`groups` in steps."""

    def group(self, group: str) -> GroupAnswer:
        """Return one group."""

    def group_steps(self, group: str) -> Steps[GroupAnswer]:
        """Return :meth:`group` in steps."""

    def members_steps(
        self,
        group: str,
        filters: "Filters",
        after: str,
        limit: int,
        ordering: Ordering = BY_NAME,
    ) -> Steps[MemberPage]:
        """Return a page in steps, in any order; ``after`` is the ``next`` of the page before."""

    def portions(self, group: str | None) -> Iterator[dict[str, dict[str, Verdict]]]:
        """Yield verdicts by group and name on all members, or on one group, in portions; each is a step."""

    def summaries(self, group: str) -> Iterator[Sequence[MemberSummary]]:
        """Yield how each member of ``group`` stands, in portions, each a step; nothing if there is none."""

    def member(self, group: str, member: str) -> MemberAnswer:
        """Return one member."""

    def query(self, group: str, members: list[str]) -> QueryAnswer:
        """Return verdicts on the named members."""

    async def wait_version(self, after: int, news: Callable[[], bool] = no_news) -> int:
        """Return the version, as soon as it is another than ``after``; any number of callers may wait.

        It returns too where there are ``news`` when incidents changed.

        A version is one batch of what a reader has to hear: changed verdicts and reasons, facts
        that change a verdict, new and forgotten members, and ``listening`` becoming true or false.
        """

    async def flushed(self) -> None:
        """Return when everything up to :attr:`version` is at hand, a few milliseconds after it is seen."""

    def changes_since(
        self, version: int, group: str | None = None
    ) -> Sequence[MemberChange] | None:
        """Return every change after ``version``, oldest first; of one group if it is named.

        None when they are not all at hand any more, or when there was no such version yet: the
        caller then reads everything afresh. The log is bounded, so a slow caller costs nothing.
        Never NotFound: a group that does not exist has no changes.
        """

    def is_at_hand(self, version: int) -> bool:
        """Say whether :meth:`changes_since` would know all that changed after ``version``."""

    def status(self) -> StatusAnswer:
        """Return how the coordinator itself and its shards are."""

    def status_steps(self) -> Steps[StatusAnswer]:
        """Return :meth:`status` in steps."""

    def shard_statuses(self) -> list[ShardStatus]:
        """Return how its shards alone are, which needs no look at the members."""

    def incidents(self) -> IncidentList:
        """Return what needs attention, as it was at the newest look.

        Its ``incidents`` are the same object until they change.
        """

    def incidents_of(self, group: str) -> Sequence[Incident]:
        """Return those of ``group`` alone."""

    async def change_facts(
        self, group: str, member: str, change: FactsChange, origin: Origin = UNTOLD
    ) -> MemberAnswer:
        """Change durably what an operator may change; return the member as it is then."""

    async def order(self, group: str, order: GroupOrder, origin: Origin = UNTOLD) -> OrderAnswer:
        """Give one order for many members, durably and all at once.

        Conflict, and nothing done, where it is for another number than expected, or for too many.
        """

    async def forget(
        self, group: str, member: str, *, force: bool = False, origin: Origin = UNTOLD
    ) -> None:
        """Forget a member; Conflict while it is up, unless ``force``."""

    async def history_page(self, asked: "Hindsight", before: str, limit: int) -> HistoryPage:
        """Return changes of many members, newest first, before the ``next`` of the page before."""

    async def history_buckets(self, asked: "Hindsight", step: int) -> HistoryBuckets:
        """Count changes of many members by steps of so many seconds."""

    async def history(self, group: str, member: str, limit: int) -> History:
        """Return its state changes, newest first; NotFound only if there are none and no such member."""
