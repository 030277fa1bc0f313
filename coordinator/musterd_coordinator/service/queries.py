"""Answers come from the roll. They read memory only: no store, no registry, no waiting.

What may concern very many members, groups or zones is done in steps.
"""

from collections.abc import Iterator
from itertools import compress, repeat

from msgspec.structs import replace

from musterd.answers import (
    GroupAnswer,
    GroupList,
    GroupSummary,
    MemberAnswer,
    MemberPage,
    QueryAnswer,
)
from musterd.errors import NotFound
from musterd.model import Mark, State, Verdict
from musterd_coordinator.incidents.circumstances import OLD_FACTS
from musterd_coordinator.judge.members import STATES, Code, Rows
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.seen import Seen
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.tally import Tally
from musterd_coordinator.roll.verdicts import FORCED_DOWN, NO_FACTS, marks_of, overlaid, verdict_of
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.roll.wording import conflict_text, hexadecimal, up_text
from musterd_coordinator.service.contract import BY_NAME, PAGE_LIMIT, MemberSummary, Ordering
from musterd_coordinator.service.paging import FEW, chosen
from musterd_coordinator.service.selection import Filters
from musterd_coordinator.service.summaries import summaries
from musterd_coordinator.steps import Steps, whole

GROUPS_AT_ONCE = 100  # groups, or zones, in one step
MEMBERS_AT_ONCE = 100  # whole answers in one step
VERDICTS_AT_ONCE = 1000


class _Behind:
    """A `_Behind` is how good all answers of one moment are: ``note`` ends the reason of each."""

    __slots__ = ("all_heard", "facts_age", "note")

    def __init__(self, all_heard: bool, facts_age: float | None) -> None:
        self.all_heard = all_heard
        self.facts_age = facts_age
        self.note = _old(facts_age)


Portion = dict[str, dict[str, Verdict]]
"""Verdicts by group and name."""


class Queries:
    """`Queries` answers the questions of schedulers, over one roll."""

    def __init__(self, view: RollView, *, few: int = FEW) -> None:
        self._view = view
        self._few = few  # members that are sorted for one page
        self.columns = view.columns

    @property
    def facts_age(self) -> float | None:
        """Return the seconds since it was last heard what operators say; None: never."""
        return None

    @property
    def version(self) -> int:
        """Return the version: one more for each sweep or order that changed anything."""
        return self._view.version

    @property
    def figures(self) -> RunFigures:
        """Return what this coordinator did since it started, counted."""
        return self._view.figures

    @property
    def size(self) -> int:
        """Return how many members there are."""
        return len(self._view)

    def groups(self) -> GroupList:
        """Return all groups."""
        return whole(self.groups_steps())

    def groups_steps(self) -> Steps[GroupList]:
        """Return :meth:`groups` in steps."""
        listed = GroupList(self._view.version, *self.freshness(), [])
        yield
        counted = self.tally()
        yield
        names = list(self._view.groups)
        yield
        counted.group(0)
        yield
        for at in range(0, len(names), GROUPS_AT_ONCE):
            for name in names[at : at + GROUPS_AT_ONCE]:
                counts = counted.group(self._view.group_number(name))
                listed.groups.append(_summary(name, counts))
            yield
        return listed

    def group(self, group: str) -> GroupAnswer:
        """Return one group, counted by state and by zone, by verdict and by mark."""
        return whole(self.group_steps(group))

    def group_steps(self, group: str) -> Steps[GroupAnswer]:
        """Return :meth:`group` in steps."""
        size, counted = self._size_of(group), self.tally()
        yield
        counts = counted.group(self._view.group_number(group))
        answer = GroupAnswer(
            self._view.version,
            *self.freshness(group),
            group,
            size,
            tally.states(counts),
            {},
            tally.verdicts(counts),
            tally.marks(counts),
        )
        yield
        named = sorted(self._view.zones_of(group).items())
        yield
        for at in range(0, len(named), GROUPS_AT_ONCE):
            for zone, number in named[at : at + GROUPS_AT_ONCE]:
                answer.zones[zone] = tally.states(counted.zone(number))
            yield
        return answer

    def members(
        self,
        group: str,
        *,
        state: State | None = None,
        zone: str | None = None,
        up: bool | None = None,
        mark: Mark | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> MemberPage:
        """Return one page of members by name."""
        return whole(self.members_steps(group, Filters(state, zone, up, mark), after, limit))

    def members_steps(
        self, group: str, filters: Filters, after: str, limit: int, ordering: Ordering = BY_NAME
    ) -> Steps[MemberPage]:
        """Return :meth:`members` in steps. A member that is forgotten meanwhile is left out."""
        fresh = self.freshness(group)
        page = MemberPage(self._view.version, *fresh, [], None, facts_age=self.facts_age)
        asked = self._view, group, filters, after, limit
        shown, following = yield from chosen(*asked, ordering=ordering, few=self._few)
        answers: list[MemberAnswer] = []
        for at in range(0, len(shown), MEMBERS_AT_ONCE):
            rows = self._view.rows(group, shown[at : at + MEMBERS_AT_ONCE])
            answers += self._answers(rows[rows != NOBODY])
            yield
        return replace(page, members=answers, next=following)

    def portions(self, group: str | None) -> Iterator[Portion]:
        """Yield the verdicts on all members, or on all in ``group``, in portions: each is a step.

        A member that joins, goes or changes meanwhile may be told or not: what changed says it
        again.
        """
        names = [group] if group is not None else list(self._view.groups)
        portion: Portion = {}
        size = 0
        for name in names:
            for part in self._verdicts_of(name):
                portion.setdefault(name, {}).update(part)
                size += len(part)
                if size >= VERDICTS_AT_ONCE:
                    yield portion
                    portion, size = {}, 0
        if portion:
            yield portion

    def _verdicts_of(self, name: str) -> Iterator[dict[str, Verdict]]:
        rows = self._view.rows_of(name)
        for at in range(0, len(rows), VERDICTS_AT_ONCE):
            here, named = self._view.names_in(name, rows[at : at + VERDICTS_AT_ONCE])
            yield dict(zip(named, self._view.verdicts(here), strict=True))

    def summaries(self, group: str) -> Iterator[list[MemberSummary]]:
        """Yield how each member of ``group`` stands, in portions: each is a step."""
        return summaries(self._view, group)

    def member(self, group: str, member: str) -> MemberAnswer:
        """Return one member."""
        row = self.row(group, member)
        return self._answer(row, self._view.seen_of(row), self._behind)

    def query(self, group: str, members: list[str]) -> QueryAnswer:
        """Return verdicts on the named members."""
        fresh = self.freshness(group)
        names = list(dict.fromkeys(members))
        rows = self._view.rows(group, names)
        known, missing = rows != NOBODY, list[str]()
        if not known.all():
            missing = list(compress(names, ~known))
            names, rows = list(compress(names, known)), rows[known]
        verdicts = dict(zip(names, self._view.verdicts(rows), strict=True))
        return QueryAnswer(self._view.version, *fresh, verdicts, missing, facts_age=self.facts_age)

    def row(self, group: str, member: str) -> int:
        """Return the row of a member; NotFound names the group's size."""
        row = self._view.row(group, member)
        if row is None:
            size = self._size_of(group)
            raise NotFound(f"group {group} has no member {member} among its {size}")
        return row

    def freshness(self, group: str | None = None) -> tuple[bool, float | None]:
        """Say whether all members concerned are heard, and how old the newest proof for the worst off is.

        None seconds: there is none yet.
        """
        if group is not None:
            self._size_of(group)
        return self._view.hearing.freshness(group)

    def tally(self) -> Tally:
        """Return the tally of all members, counted once for each version."""
        return self._view.tally()

    def _size_of(self, group: str) -> int:
        """Return how many members it has; NotFound if there is no such group."""
        size = self._view.group_size(group)
        if size is None:
            raise NotFound(f"no group {group} among {len(self._view.groups)}")
        return size

    @property
    def _behind(self) -> _Behind:
        """Return what is behind all answers of one moment."""
        return _Behind(self._view.hearing.is_everybody_heard, self.facts_age)

    def _answers(self, rows: Rows) -> list[MemberAnswer]:
        behind, columns = self._behind, self._view.seen(rows)
        return list(map(self._answer, rows.tolist(), columns, repeat(behind)))

    def _answer(self, row: int, seen: Seen, behind: _Behind) -> MemberAnswer:
        facts = self._view.said(row)
        member = self._view.member(row)
        if facts is None:
            facts = NO_FACTS
        else:
            member = overlaid(member, facts)
        verdict = verdict_of(seen.state, seen.status, seen.orders)
        # By position, in the order of its fields: by their names it takes seven times as long.
        return MemberAnswer(
            member.group,
            member.name,
            verdict.state,
            verdict.up,
            verdict.schedulable,
            verdict.down,
            self._reason(row, seen, behind),
            wall_instant(seen.since),
            seen.silence,
            seen.interval,
            hexadecimal(seen.incarnation),
            seen.conflict,
            member.zone,
            member.owner,
            member.metadata,
            facts.disabled,
            facts.disabled_reason,
            facts.forced_down,
            facts.forced_down_reason,
            STATES[seen.state],
            marks_of(seen.status, seen.orders, seen.conflict),
            seen.down_after,
            behind.facts_age,
            conflict_text(seen.conflict, seen.flipped_by),
        )

    def _reason(self, row: int, seen: Seen, behind: _Behind) -> str:
        reason = self._view.reason(row)
        if seen.state == Code.UP:
            reason = up_text(reason, seen.status, seen.missed, seen.lag_ms / 1000, seen.interval)
        if not behind.all_heard or seen.put_off or seen.clamped:
            reason += self._view.hearing.withheld(row)
        if seen.orders & FORCED_DOWN:
            reason = self._view.in_force(row, reason)
        return reason + behind.note


def _old(facts_age: float | None) -> str:
    """Return words on operators' orders that were not heard of for long."""
    if facts_age is None or facts_age <= OLD_FACTS:
        return ""
    return f"; what operators said in the last {facts_age:.0f} s is not known here"


def _summary(name: str, counts: tally.Counts) -> GroupSummary:
    return GroupSummary(
        name,
        tally.members(counts),
        tally.states(counts),
        tally.verdicts(counts),
        tally.marks(counts),
    )
