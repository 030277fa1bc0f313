"""Answers from the roll. They read memory only: no store, no registry, no waiting."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, islice

import numpy as np
from numpy.typing import NDArray

from musterd.errors import NotFound
from musterd.model import (
    GroupAnswer,
    GroupList,
    GroupSummary,
    MemberAnswer,
    MemberPage,
    QueryAnswer,
    State,
)
from musterd_coordinator.desk import PAGE_LIMIT
from musterd_coordinator.directory import NOBODY, Group
from musterd_coordinator.members import CODES, STATES, Code
from musterd_coordinator.roll import Roll
from musterd_coordinator.shard import wall_instant
from musterd_coordinator.verdicts import NO_FACTS
from musterd_coordinator.wording import hexadecimal, up_text

FEW = 5000
"""Members that may be sorted for one page; where more are left, the next ones by name come soon."""

Counts = NDArray[np.int64]  # by Code
_NOBODY = np.zeros(len(Code), np.int64)


class Answers:
    """The questions of schedulers, over one roll."""

    def __init__(self, roll: Roll) -> None:
        self._roll = roll
        self._counted: dict[str, dict[str, Counts]] = {}
        self._counted_at: int | None = None

    def groups(self) -> GroupList:
        """All groups."""
        listening, staleness = self.freshness()
        counts = self._counts()
        summaries = [
            GroupSummary(name, len(group.rows), _named(sum(counts.get(name, {}).values(), _NOBODY)))
            for name, group in sorted(self._roll.directory.groups.items())
        ]
        return GroupList(self._roll.version, listening, staleness, summaries)

    def group(self, group: str) -> GroupAnswer:
        """One group, counted by state and by zone."""
        found, counts = self._group(group), self._counts().get(group, {})
        return GroupAnswer(
            self._roll.version,
            *self.freshness(group),
            group,
            len(found.rows),
            _named(sum(counts.values(), _NOBODY)),
            {zone: _named(count) for zone, count in sorted(counts.items())},
        )

    def members(
        self,
        group: str,
        *,
        state: State | None = None,
        zone: str | None = None,
        up: bool | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> MemberPage:
        """One page of members by name."""
        found = self._group(group)
        chosen = list(islice(self._chosen(found, state, zone, up, after), limit + 1))
        more = len(chosen) > limit
        page = chosen[:limit]
        return MemberPage(
            self._roll.version,
            *self.freshness(group),
            [self._answer(row) for row in page],
            self._roll.directory.member(page[-1]).name if more else None,
        )

    def member(self, group: str, member: str) -> MemberAnswer:
        """One member."""
        return self._answer(self.row(group, member))

    def query(self, group: str, members: list[str]) -> QueryAnswer:
        """Verdicts on the named members."""
        found = self._group(group)
        names = list(dict.fromkeys(members))
        rows = self._roll.directory.rows(found.name, names)
        known, missing = rows != NOBODY, list[str]()
        if not known.all():
            missing = list(compress(names, ~known))
            names, rows = list(compress(names, known)), rows[known]
        verdicts = dict(zip(names, self._roll.verdicts(rows), strict=True))
        return QueryAnswer(self._roll.version, *self.freshness(group), verdicts, missing)

    def row(self, group: str, member: str) -> int:
        """The row of a member; NotFound names the group's size."""
        found = self._group(group)
        row = self._roll.directory.row(group, member)
        if row is None:
            raise NotFound(f"group {group} has no member {member} among its {len(found.rows)}")
        return row

    def freshness(self, group: str | None = None) -> tuple[bool, float | None]:
        """Are all shards concerned listening, and how old is the oldest of their proven sweeps?

        None seconds: one of them has not been proven yet.
        """
        shards = [self._roll.shards[index] for index in self._concerned(group)]
        now = self._roll.clocks.monotonic()
        ages = [shard.clock.staleness(now) for shard in shards]
        known = [age for age in ages if age is not None]
        listening = all(shard.clock.listening for shard in shards)
        return listening, round(max(known), 3) if known and len(known) == len(ages) else None

    def states(self) -> dict[State, int]:
        """All members, counted by state."""
        zones = (zone for group in self._counts().values() for zone in group.values())
        return _named(sum(zones, _NOBODY))

    def _concerned(self, group: str | None) -> Iterable[int]:
        if group is None:
            return range(len(self._roll.shards))
        return self._roll.directory.groups[group].shards

    def _group(self, group: str) -> Group:
        found = self._roll.directory.groups.get(group)
        if found is None:
            raise NotFound(f"no group {group} among {len(self._roll.directory.groups)}")
        return found

    def _counts(self) -> dict[str, dict[str, Counts]]:
        """Members by state, in each zone of each group; counted once for each version."""
        if self._counted_at != self._roll.version:
            self._counted, self._counted_at = self._count(), self._roll.version
        return self._counted

    def _count(self) -> dict[str, dict[str, Counts]]:
        members, directory = self._roll.detector.members, self._roll.directory
        cells = members.zone[members.used] * len(Code) + members.state[members.used]
        counts = np.bincount(cells, minlength=len(Code)).astype(np.int64)
        counts = np.pad(counts, (0, -len(counts) % len(Code))).reshape(-1, len(Code))
        counts[:, Code.FREE] = 0
        by_zone: dict[str, dict[str, Counts]] = {name: {} for name in directory.groups}
        for code in np.flatnonzero(counts.any(axis=1)).tolist():
            group, zone = directory.zones.key(code)
            by_zone[group][zone] = counts[code]
        return by_zone

    def _chosen(
        self, group: Group, state: State | None, zone: str | None, up: bool | None, after: str
    ) -> Iterator[int]:
        members, roll = self._roll.detector.members, self._roll
        code = None if zone is None else roll.directory.zones.number((group.name, zone))
        if zone is not None and code is None:
            return
        for row in self._candidates(group, state, code, up, after):
            if state is not None and STATES[members.state.item(row)] != state:
                continue
            if code is not None and members.zone.item(row) != code:
                continue
            if up is not None and roll.verdict(row).up != up:
                continue
            yield row

    def _candidates(
        self, group: Group, state: State | None, code: int | None, up: bool | None, after: str
    ) -> Iterable[int]:
        """All who may be chosen, by name: few by their columns where few may, else one by one."""
        few = self._few(group, state, code, up)
        if few is None:
            return self._by_name(group, after)
        named = [(self._roll.directory.member(row).name, row) for row in few]
        return (row for name, row in sorted(named) if name > after)

    def _by_name(self, group: Group, after: str) -> Iterator[int]:
        names = self._roll.directory.after(group, after)
        while some := list(islice(names, PAGE_LIMIT)):
            yield from self._roll.directory.rows(group.name, some).tolist()

    def _few(
        self, group: Group, state: State | None, code: int | None, up: bool | None
    ) -> list[int] | None:
        """The rows that these filters leave, and some more; None when that is not few."""
        if state is None and code is None and up is None:
            return None
        members, roll = self._roll.detector.members, self._roll
        used = members.used
        left = members.state[used] != Code.FREE
        if state is not None:
            left &= members.state[used] == CODES[state]
        if code is not None:
            left &= members.zone[used] == code
        if up is not None:
            left &= np.isin(members.state[used], (Code.UP, Code.SUSPECT)) == up
            left[list(roll.facts)] |= not up  # who was forced down
        if np.count_nonzero(left) > FEW:
            return None
        rows = np.flatnonzero(left).tolist()
        return [row for row in rows if roll.directory.member(row).group == group.name]

    def _answer(self, row: int) -> MemberAnswer:
        roll, members = self._roll, self._roll.detector.members
        member, facts, verdict = (
            roll.effective(row),
            roll.facts.get(row, NO_FACTS),
            roll.verdict(row),
        )
        interval = members.interval.item(row)
        return MemberAnswer(
            group=member.group,
            member=member.name,
            state=verdict.state,
            up=verdict.up,
            schedulable=verdict.schedulable,
            down=verdict.down,
            reason=self._reason(row, interval),
            since=wall_instant(members.since.item(row)),
            silent_for=round(roll.detector.silence_of(row), 3),
            interval=round(interval, 3),
            incarnation=hexadecimal(members.incarnation.item(row)),
            conflict=roll.detector.conflict(row),
            zone=member.zone,
            owner=member.owner,
            metadata=member.metadata,
            disabled=facts.disabled,
            disabled_reason=facts.disabled_reason,
            forced_down=facts.forced_down,
            forced_down_reason=facts.forced_down_reason,
        )

    def _reason(self, row: int, interval: float) -> str:
        members = self._roll.detector.members
        reason = self._roll.reason(row)
        if members.state.item(row) != Code.UP:
            return reason
        missed, lag = members.missed.item(row), members.lag_ms.item(row) / 1000
        return up_text(reason, members.status.item(row), missed, lag, interval)


def _named(counts: Iterable[int]) -> dict[State, int]:
    by_code = Counter(dict(enumerate(counts)))
    return {state: int(by_code[code]) for code, state in STATES.items()}
