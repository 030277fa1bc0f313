"""The module has what may be asked of a roll. Nothing here changes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from musterd.answers import MemberChange
from musterd.model import Facts, Mark, Member, State, Verdict
from musterd_coordinator.judge.members import NO_SHARD, STATES, Code, Mask, Rows, Seconds
from musterd_coordinator.judge.promises import canary_time
from musterd_coordinator.roll.columns import CellColumns
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.roll.hearing import Hearing
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.seen import Seen, seen, seen_of
from musterd_coordinator.roll.shard import Clocks, wall_instant
from musterd_coordinator.roll.surveyed import SurveyedRows
from musterd_coordinator.roll.tally import Tally
from musterd_coordinator.roll.traced import TracedRows
from musterd_coordinator.roll.verdicts import (
    NO_FACTS,
    marked,
    marks_of,
    overlaid,
    stated,
    verdict_of,
    verdicts_of,
)
from musterd_coordinator.roll.versions import FollowedChanges
from musterd_coordinator.roll.wording import conflict_text, forced_text
from musterd_coordinator.steps import Steps


class RollView:
    """A `RollView` is a read-only view of one roll: which member is where, and what is said of it.

    ``hearing`` has how well the members are heard, and what holds verdicts back; ``traced`` and
    ``surveyed`` have all rows in columns. Rows are ``int64`` (n), and what is told of them is in their order.
    """

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts
        self._detector, self._directory, self._said = parts.detector, parts.directory, parts.said
        # Asked of each of a page's thousand members: by methods around these it takes 2 % longer.
        self.member: Callable[[int], Member] = parts.directory.member
        """The member in a row, as its agent announced it."""
        self.facts: Callable[[int], Facts | None] = parts.facts.get
        """What operators said of the member in a row; None if they said nothing."""
        self.said: Callable[[int], Facts | None] = parts.said.get
        """The same, with what they said to its store."""
        self.reason: Callable[[int], str] = parts.reporter.reason
        """Why the member in a row is in its state."""
        self.cause: Callable[[int], str] = parts.reporter.cause
        """The word for why it last changed; empty where only words are known."""
        self._wall_ahead = parts.clocks.wall() - parts.clocks.monotonic()
        self._tally: Tally | None = None
        self._counted_at: int | None = None
        self.hearing = Hearing(parts)
        self.traced = TracedRows(parts)
        self.surveyed = SurveyedRows(parts)
        self.columns = CellColumns(parts)

    # -- of the whole --------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self._directory)

    @property
    def end(self) -> int:
        """Return the row below which all members sit."""
        return self._detector.members.size

    @property
    def version(self) -> int:
        """Return the version: one more for each sweep or order that changed anything."""
        return self._parts.changes.version

    @property
    def changes(self) -> FollowedChanges:
        """Return what changed in the last versions."""
        return self._parts.changes

    @property
    def figures(self) -> RunFigures:
        """Return what it did since it began."""
        return self._parts.figures

    @property
    def ready(self) -> bool:
        """Say whether every shard was listened to long enough for its living members to be heard.

        A shard that was tried and does not answer is not waited for while another one listens.
        """
        return self._parts.ready

    @property
    def clocks(self) -> Clocks:
        """Return the clocks that its instants are of."""
        return self._parts.clocks

    @property
    def down_time(self) -> float:
        """Return the seconds of silence after which most members are down."""
        return self._detector.rules.service_down_time

    def canary_time(self, shard: int) -> float:
        """Return the seconds that a canary on ``shard`` may take.

        Nearly all agents there wait as long for a push.
        """
        return canary_time(self._detector.members, shard, self._detector.rules)

    def tally(self) -> Tally:
        """Return the counts of all members, made once for each version."""
        if self._tally is None or self._counted_at != self.version:
            members = self._detector.members
            conflicts = self._detector.conflicts(members.used)
            self._tally = Tally(members, conflicts, self._directory.zones)
            self._counted_at = self.version
        return self._tally

    def silence(self, rows: Rows) -> Seconds:
        """Return the seconds of listening without a new beat of the members in ``rows`` (n)."""
        return self._detector.silence(rows)

    # -- what is in which row ------------------------------------------------------------

    @property
    def groups(self) -> Sequence[str]:
        """Return the names of all groups, in order."""
        return self._directory.group_names

    def group_size(self, group: str) -> int | None:
        """Return how many members ``group`` has; None if there is no such group."""
        found = self._directory.groups.get(group)
        return None if found is None else len(found.rows)

    def rows_of(self, group: str) -> Rows:
        """Return the rows of all members of ``group``, in no order."""
        found = self._directory.groups.get(group)
        return np.array(() if found is None else found.rows, np.int64)

    def row(self, group: str, member: str) -> int | None:
        """Return the row of a member."""
        return self._directory.row(group, member)

    def rows(self, group: str, names: Sequence[str]) -> Rows:
        """Return the rows of ``names`` (n) of ``group``, NOBODY where there is no such member."""
        return self._directory.rows(group, names)

    def names_in(self, group: str, rows: Rows) -> tuple[Rows, list[str]]:
        """Return those of ``rows`` in which a member of ``group`` sits now, and their names."""
        found = self._directory.groups.get(group)
        return (rows[:0], []) if found is None else self._directory.names_of(found, rows)

    def names_after(self, group: str, name: str, most: int) -> Steps[list[str]]:
        """Return the first ``most`` names of ``group`` greater than ``name``, in order."""
        found = self._directory.groups.get(group)
        if found is None:
            return []
        names = yield from self._directory.in_order(found)
        return [each.decode() for each in names.after(name.encode(), most)]

    def names_before(self, group: str, name: str, most: int) -> Steps[list[str]]:
        """Return the last ``most`` names of ``group`` less than ``name``, backwards; empty: of all."""
        found = self._directory.groups.get(group)
        if found is None:
            return []
        names = yield from self._directory.in_order(found)
        return [each.decode() for each in names.before(name.encode(), most)]

    def shards_of(self, group: str, member: str) -> Sequence[int]:
        """Return the numbers of the shards that such a member is placed on, known or not."""
        return self._parts.placement.shards_of(group, member)

    def members_in(self, shard: str, slots: Sequence[int]) -> list[Member | None]:
        """Return the members in ``slots`` of ``shard``, as announced; None where none sits."""
        (seats,) = (each.seats for each in self._parts.shards if each.name == shard)
        rows = map(seats.row_in, slots)
        return [None if row is None else self.member(row) for row in rows]

    def is_watched(self, row: int) -> bool:
        """Say whether the member of ``row`` is its store's own, which says itself what is ordered of it."""
        return self._parts.placement.places.listed(self._directory.member(row).group)

    def is_listed(self, row: int) -> bool:
        """Say whether a store that says who is a member says so of that of ``row``."""
        members = self._detector.members
        return self.is_watched(row) and bool((members.shard[:, row] != NO_SHARD).any())

    def unlisted(self) -> Rows:
        """Return the rows of members of which no shard says any more that they are such.

        There are none where members themselves say who they are, and while a shard has not told all.
        """
        listing = self._parts.placement.places.listing
        if not listing or not all(self._parts.shards[at].seats.swept for at in listing):
            return np.empty(0, np.int64)
        members = self._detector.members
        alone = (members.shard[:, members.used] == NO_SHARD).all(axis=0)
        alone &= members.state[members.used] != Code.FREE
        rows = np.flatnonzero(alone)
        return rows[[self.is_watched(row) for row in rows.tolist()]]

    # -- zones, by the numbers that tallies have --------------------------------------------

    def group_number(self, group: str) -> int | None:
        """Return the number of ``group`` in a tally."""
        return self._directory.zones.number_of_group(group)

    def zones_of(self, group: str) -> Mapping[str, int]:
        """Return the zones of ``group`` that a member is in, and their numbers in a tally."""
        return self._directory.zones.of_group.get(group, {})

    # -- what is said of rows ------------------------------------------------------------

    def effective(self, row: int) -> Member:
        """Return the member with zone, owner and metadata as operators see them."""
        return overlaid(self._directory.member(row), self._said.get(row))

    def state(self, row: int) -> State:
        """Return the state of the member in ``row``."""
        return STATES[self._detector.members.state.item(row)]

    def stated(self, rows: Rows) -> NDArray[np.uint8]:
        """Return the states (n), as :class:`Code`, that are stated of ``rows``.

        A row in which no member sits is FREE.
        """
        return stated(self._detector.members.state[rows], self._detector.members.orders[rows])

    def verdicts(self, rows: Rows) -> list[Verdict]:
        """Return for each of ``rows`` if one may talk to it, place work on it, and evacuate it."""
        members = self._detector.members
        return verdicts_of(members.state[rows], members.status[rows], members.orders[rows])

    def since(self, rows: Rows) -> Seconds:
        """Return since when each of ``rows`` (n) has been in its state, in seconds of the wall clock."""
        since: Seconds = self._detector.members.since[rows]
        return since

    def heard_at(self, rows: Rows) -> Seconds:
        """Return when each of ``rows`` (n) was last heard, or went if that was before this began.

        In seconds of a clock that ran with the wall clock when this began, and is never set.
        """
        members = self._detector.members
        heard = members.heard_at[rows]
        return np.where(np.isnan(heard), members.since[rows], heard + self._wall_ahead)

    def are_held(self, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) a mass silence holds, whether or not it was confirmed."""
        return self._detector.are_held(rows)

    def are_confirmed(self, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) are held no longer, as an operator confirmed that they are dead."""
        confirmed: Mask = self._detector.members.confirmed[rows]
        return confirmed

    def seen(self, rows: Rows) -> Iterator[Seen]:
        """Return what was seen of each of ``rows``."""
        return seen(self._detector, rows)

    def seen_of(self, row: int) -> Seen:
        """Return what was seen of the member in ``row``."""
        return seen_of(self._detector, row)

    def are_in(self, group: str, zone: str, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) are in this zone."""
        number = self._directory.zones.number((group, zone))
        are: Mask = self._detector.members.zone[rows] == (NOBODY if number is None else number)
        return are

    def are_marked(self, mark: Mark, rows: Rows) -> Mask:
        """Say which of ``rows`` (n) bear ``mark``."""
        members, conflicts = self._detector.members, self._detector.conflicts(rows)
        return marked(mark, members.status[rows], members.orders[rows], conflicts)

    def left(self, now: float) -> tuple[Rows, Seconds]:
        """Return the rows (n) of members that left, and for how many seconds (n) each is gone.

        ``now`` is in seconds of the wall clock. A member that left before this coordinator began
        was not heard by it: its seconds are those since it left, by the wall clock.
        """
        members, monotonic = self._detector.members, self.clocks.monotonic()
        rows = np.flatnonzero(members.state[members.used] == Code.LEFT)
        heard = members.heard_at[rows]
        return rows, np.where(np.isnan(heard), now - members.since[rows], monotonic - heard)

    def in_force(self, row: int, observed: str) -> str:
        """Return ``observed``, the reason of its state, behind an order that overrules it."""
        facts = self._said.get(row, NO_FACTS)
        if not facts.forced_down:
            return observed
        return forced_text(facts.forced_down_reason, str(self.state(row)), observed)

    def change(self, row: int, version: int | None = None) -> MemberChange:
        """Return the member as it is now, for readers that follow; as of ``version``, if it is given."""
        version = self.version if version is None else version
        member, members = self._directory.member(row), self._detector.members
        status, orders = members.status.item(row), members.orders.item(row)
        verdict = verdict_of(members.state.item(row), status, orders)
        facts, conflict = self._said.get(row, NO_FACTS), self._detector.conflict(row)
        old, cause = self._parts.reporter.step(row, version)
        return MemberChange(
            version=version,
            at=wall_instant(self.clocks.wall()),
            group=member.group,
            member=member.name,
            state=verdict.state,
            up=verdict.up,
            schedulable=verdict.schedulable,
            down=verdict.down,
            reason=self.in_force(row, self.reason(row)),
            marks=marks_of(status, orders, conflict),
            disabled_reason=facts.disabled_reason,
            forced_down_reason=facts.forced_down_reason,
            conflict_reason=conflict_text(conflict, members.flipped_by.item(row)),
            **self._parts.reporter.origin(row, version)._asdict(),
            zone=self._directory.zones.key(members.zone.item(row))[1],
            old=old,
            cause=cause,
        )
