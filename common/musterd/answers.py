"""The module has what is asked of a coordinator over HTTP, and what it answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from musterd.model import Mark, State, Transition, Verdict


class MemberAnswer(msgspec.Struct, frozen=True):
    """A ``MemberAnswer`` says everything about one member.

    ``state`` is what holds, and ``observed`` what its beats say: they differ while an operator
    forces it down. ``down_after`` is how many seconds it may be silent: the service_down_time, or two
    and a half intervals of its own where that is longer. ``conflict_reason`` is what made it a
    conflict, in words.
    """

    group: str
    member: str
    state: State
    up: bool
    schedulable: bool
    down: bool
    reason: str
    since: datetime
    silent_for: float
    interval: float
    incarnation: str | None
    conflict: bool
    zone: str
    owner: str
    metadata: Mapping[str, str]
    disabled: bool
    disabled_reason: str
    forced_down: bool
    forced_down_reason: str
    observed: State = State.UNKNOWN
    marks: Sequence[Mark] = ()
    down_after: float = 0.0
    facts_age: float | None = None
    conflict_reason: str = ""


class GroupSummary(msgspec.Struct, frozen=True):
    """A ``GroupSummary`` counts how many members of a group are in each state and bear each mark.

    ``verdicts`` has how many are up, schedulable and down.
    """

    group: str
    members: int
    states: dict[State, int]
    verdicts: dict[str, int] = {}
    marks: dict[Mark, int] = {}


class GroupList(msgspec.Struct, frozen=True):
    """A ``GroupList`` has all groups."""

    version: int
    listening: bool
    staleness: float | None
    groups: list[GroupSummary]


class GroupAnswer(msgspec.Struct, frozen=True):
    """A ``GroupAnswer`` is one group, counted by state and by zone, by verdict and by mark."""

    version: int
    listening: bool
    staleness: float | None
    group: str
    members: int
    states: dict[State, int]
    zones: dict[str, dict[State, int]]
    verdicts: dict[str, int] = {}
    marks: dict[Mark, int] = {}


class MemberPage(msgspec.Struct, frozen=True):
    """A ``MemberPage`` has at most 1000 members by name; ``next`` is ``after`` of the next page.

    ``facts_age`` is how many seconds ago the coordinator last heard what operators say, here and in
    every answer about members: a lost registry makes it grow. None: not told, or never.
    """

    version: int
    listening: bool
    staleness: float | None
    members: list[MemberAnswer]
    next: str | None
    facts_age: float | None = None


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``Query`` is the body of a query."""

    members: list[str]


class QueryAnswer(msgspec.Struct, frozen=True):
    """A ``QueryAnswer`` has verdicts by name.

    ``not_found`` are names that the group has no member of.
    """

    version: int
    listening: bool
    staleness: float | None
    members: dict[str, Verdict]
    not_found: list[str]
    facts_age: float | None = None


class History(msgspec.Struct, frozen=True):
    """A ``History`` has the state changes of one member, newest first."""

    group: str
    member: str
    changes: list[Transition]


class HistoryPage(msgspec.Struct, frozen=True):
    """A ``HistoryPage`` has changes and orders of many members, newest first.

    ``next`` is the ``before`` of the next page. A page may have few or none, and be followed by others:
    so many lines are looked at for each.
    """

    changes: list[Transition]
    next: str | None


class HistoryBucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ``HistoryBucket`` counts changes of state from ``at`` on, by the new state."""

    at: datetime
    unknown: int = 0
    up: int = 0
    suspect: int = 0
    down: int = 0
    left: int = 0


class HistoryBuckets(msgspec.Struct, frozen=True):
    """A ``HistoryBuckets`` counts changes of state by ``step`` seconds, from ``since`` on.

    Empty ones are left out. ``step`` is longer than asked for where there would be more than 2000, and
    ``since`` later where there were too many changes to count.
    """

    step: int
    since: datetime
    buckets: list[HistoryBucket]


class MemberChange(msgspec.Struct, frozen=True, gc=False):
    """A ``MemberChange`` is what a member became in ``version``: a verdict and reason, or gone.

    A member seen for the first time is a change too. With ``gone`` it was forgotten, and the other
    fields are the last that were true of it. ``marks`` and the reasons for three of them are as in
    MemberAnswer. ``actor``, ``address`` and ``request`` are as in Transition: of an order that the
    coordinator took itself. ``old`` is the state that it came from and ``cause`` why, in a word of
    musterd_transitions_total; null and empty where its state did not change, as by an order or when it
    is new. A restart has ``old == state``.
    """

    version: int
    at: datetime
    group: str
    member: str
    state: State
    up: bool
    schedulable: bool
    down: bool
    reason: str
    gone: bool = False
    marks: Sequence[Mark] = ()
    disabled_reason: str = ""
    forced_down_reason: str = ""
    actor: str = ""
    address: str = ""
    request: str = ""
    conflict_reason: str = ""
    zone: str = ""
    old: State | None = None
    cause: str = ""


class ZoneColumns(msgspec.Struct, frozen=True, gc=False):
    """A ``ZoneColumns`` is how many members are in a zone, which stand together."""

    zone: str
    members: int


class GroupColumns(msgspec.Struct, frozen=True):
    """A ``GroupColumns`` has a byte for each member of a group, by zone and then by name.

    The place of a member's byte is its ordinal. Of a byte's bits the lowest three are its state: 0
    unknown, 1 up, 2 suspect, 3 down, 4 left, as stated in MemberAnswer. The others are its marks: 8
    disabled, 16 forced_down, 32 draining, 64 conflict, 128 check_failing. In JSON ``cells`` is
    base64.
    """

    group: str
    zones: Sequence[ZoneColumns]
    cells: bytes


class Columns(msgspec.Struct, frozen=True):
    """A ``Columns`` has a byte for each member, by group, and is also the data of an event.

    ``layout`` names who is there and where: an ordinal is that of the same member while it is the
    same. ``listening`` and ``staleness`` are as of the time ``at``.
    """

    version: int
    layout: str
    at: datetime
    listening: bool
    staleness: float | None
    groups: Sequence[GroupColumns]


class MemberNames(msgspec.Struct, frozen=True):
    """A ``MemberNames`` has the names of the members with the ordinals from ``start`` on, in this order."""

    layout: str
    group: str
    start: int = msgspec.field(name="from")
    names: Sequence[str]


class EventCells(msgspec.Struct, frozen=True):
    """An ``EventCells`` has ordinals and bytes of members that changed, by group: see GroupColumns."""

    version: int
    layout: str
    at: datetime
    cells: Mapping[str, Sequence[tuple[int, int]]]


class EventSnapshot(msgspec.Struct, frozen=True):
    """An ``EventSnapshot`` is a part of everything, by group and name.

    The last part has ``more`` false.
    """

    version: int
    listening: bool
    staleness: float | None
    groups: dict[str, dict[str, Verdict]]
    more: bool


class EventChanges(msgspec.Struct, frozen=True):
    """An ``EventChanges`` has what changed, oldest first.

    The rest of the same versions follows when ``more`` is true.
    """

    version: int
    listening: bool
    staleness: float | None
    changes: list[MemberChange]
    more: bool


class EventPing(msgspec.Struct, frozen=True):
    """An ``EventPing`` says that nothing changed, and how good that knowledge is."""

    version: int
    listening: bool
    staleness: float | None


NOT_READY = "urn:musterd:not-ready"
"""The ``type`` of the problem with which a coordinator says that it cannot know yet."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """A ``ProblemDetails`` says why a request was refused and what to change (RFC 9457).

    ``field`` is what is to blame. ``type`` is :data:`NOT_READY`, or ``about:blank`` where the
    status tells all.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = msgspec.UNSET
