"""These are the words that everyone shares: members, states, and the shapes of every answer.

The structs below are the JSON of the HTTP contract, field for field. Instants are RFC 3339 UTC
strings on the wire and aware datetimes here; durations are seconds.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from musterd.errors import ConfigError

NAME_LIMIT = 255
METADATA_LIMIT = 4096  # bytes of UTF-8, keys and values
NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:@+-]*$"
_NAME = re.compile(NAME_PATTERN[1:-1])

TEXT_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
"""A text may not tell a terminal what to do, begin a line in a log, or change the order in which what
stands around it is shown. What Unicode has not assigned yet harms nobody."""
_TEXT = re.compile(TEXT_PATTERN[1:-1])
_SURROGATES = re.compile(r"[\ud800-\udfff]")  # no JSON in UTF-8 has them; other callers may


class State(StrEnum):
    """A ``State`` is what the coordinator thinks of a member."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    LEFT = "left"


class Mark(StrEnum):
    """A ``Mark`` says what is to be known of a member besides its state."""

    DISABLED = "disabled"  # by an operator: no new work
    FORCED_DOWN = "forced_down"  # by an operator: down, whatever its beats say
    DRAINING = "draining"  # its agent asks for no new work
    CONFLICT = "conflict"  # others than its agent write its beats, too
    CHECK_FAILING = "check_failing"  # its agent says so


class Member(msgspec.Struct, frozen=True, gc=False):
    """A ``Member`` is one service instance in a group, as its agent announces it."""

    group: str
    name: str
    zone: str = ""
    owner: str = ""
    metadata: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


def check_name(kind: str, name: str) -> str:
    """Return ``name`` itself if it can be a group or a member, else raise ConfigError.

    Names become keys and paths of URLs: letters, digits and ``_ . : @ + -``, at most 255 of them.
    """
    if len(name) > NAME_LIMIT:
        raise ConfigError(f"{kind} name is {len(name)} characters long; at most {NAME_LIMIT}")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{kind} name {name!r} is not usable: begin with a letter, digit or _,"
            " go on with letters, digits and _ . : @ + -"
        )
    return name


def check_text(kind: str, text: str) -> str:
    """Return ``text`` itself if it can be a zone, owner or reason, else raise ConfigError."""
    if len(text) > NAME_LIMIT:
        raise ConfigError(f"{kind} is {len(text)} characters long; at most {NAME_LIMIT}")
    if not text.isprintable() and (not _TEXT.fullmatch(text) or _SURROGATES.search(text)):
        raise ConfigError(
            f"{kind} {text!r} has control characters, line separators or overrides of direction;"
            " leave them out"
        )
    return text


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``metadata`` if its keys are names and it is small enough, else raise ConfigError."""
    if not metadata:
        return metadata
    for key, value in metadata.items():
        check_name("metadata key", key)
        check_text(f"metadata {key}", value)
    size = len("".join((*metadata, *metadata.values())).encode())
    if size > METADATA_LIMIT:
        raise ConfigError(f"metadata is {size} bytes in all; at most {METADATA_LIMIT}")
    return metadata


def check_member(member: Member) -> Member:
    """Return ``member`` itself if every part of it is usable, else raise ConfigError."""
    _check_shared(member.group, member.zone, member.owner)
    check_name("member", member.name)
    check_metadata(member.metadata)
    return member


def check_members(members: Sequence[Member]) -> Sequence[Member]:
    """Check many as :func:`check_member` does one, with less of it done for each."""
    for shared in {(member.group, member.zone, member.owner) for member in members}:
        _check_shared(*shared)
    names = [member.name for member in members]
    if not all(map(_NAME.fullmatch, names)) or max(map(len, names), default=0) > NAME_LIMIT:
        for name in names:
            check_name("member", name)
    for member in members:
        if member.metadata:
            check_metadata(member.metadata)
    return members


@lru_cache(1024)  # most members of a fleet say the same
def _check_shared(group: str, zone: str, owner: str) -> None:
    check_name("group", group)
    check_text("zone", zone)
    check_text("owner", owner)


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """``Facts`` are what an operator has said of a member.

    They persist whether the member beats or not. None in ``zone``, ``owner`` or ``metadata`` means:
    as its agent announces it.
    """

    zone: str | None = None
    owner: str | None = None
    metadata: Mapping[str, str] | None = None
    disabled: bool = False
    disabled_reason: str = ""
    forced_down: bool = False
    forced_down_reason: str = ""


# For the description alone: :func:`check_name` and :func:`check_text` say more of what is wrong.
_Name = Annotated[
    str, msgspec.Meta(extra_json_schema={"maxLength": NAME_LIMIT, "pattern": NAME_PATTERN})
]
_Text = Annotated[
    str, msgspec.Meta(extra_json_schema={"maxLength": NAME_LIMIT, "pattern": TEXT_PATTERN})
]


class FactsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ``FactsChange`` is the body of a PATCH: what is given changes, the rest stays.

    ``reason`` belongs to ``disabled`` and ``forced_down`` and is forgotten with them. A ``zone``,
    ``owner`` or ``metadata`` given here outlives what the agent announces, until it is set to null.
    """

    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    forced_down: bool | msgspec.UnsetType = msgspec.UNSET
    reason: _Text | msgspec.UnsetType = msgspec.UNSET
    zone: _Text | msgspec.UnsetType | None = msgspec.UNSET
    owner: _Text | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[_Name, _Text] | msgspec.UnsetType | None = msgspec.UNSET


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A ``Transition`` is one change of one member's state.

    A restart has ``old == new`` and says so in ``reason``. ``coordinator`` is the one that saw it
    first; there is no line of those that agreed later. Where it is an operator's order, ``actor`` is
    who gave it, from which ``address``, in which ``request``.
    """

    version: int
    at: datetime
    group: str
    member: str
    old: State
    new: State
    reason: str
    coordinator: str = ""
    actor: str = ""
    address: str = ""
    request: str = ""


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


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A ``Verdict`` is the short answer: may I talk to it, place work on it, evacuate it?"""

    up: bool
    schedulable: bool
    down: bool
    state: State


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


class MemberChange(msgspec.Struct, frozen=True, gc=False):
    """A ``MemberChange`` is what a member became in ``version``: a verdict and reason, or gone.

    A member seen for the first time is a change too. With ``gone`` it was forgotten, and the other
    fields are the last that were true of it. ``marks`` and the reasons for three of them are as in
    MemberAnswer. ``actor``, ``address`` and ``request`` are as in Transition: of an order that the
    coordinator took itself.
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


class ShardStatus(msgspec.Struct, frozen=True):
    """A ``ShardStatus`` is one shard as this coordinator sees it.

    ``reason`` is plain words for an operator. Where beats are signed, ``with_old_key`` members signed
    their newest with the key before the current one, and ``challenges_put_back`` is how often the
    challenge that they sign was overwritten. Where unsigned beats are accepted, too,
    ``beating_unsigned`` members wrote such a one last.
    """

    shard: str
    listening: bool
    reason: str
    since: datetime
    staleness: float | None
    canary_seconds: float | None
    sweep_seconds: float | None
    listening_time: float
    members: int
    beats: int
    sweeps: int
    unproven_sweeps: int
    rejected: dict[str, int]
    with_old_key: int = 0
    challenges_put_back: int = 0
    beating_unsigned: int = 0


class StormStatus(msgspec.Struct, frozen=True):
    """A ``StormStatus`` is a mass silence that is being held."""

    group: str
    zone: str
    silent: int
    living: int
    since: datetime
    ends_in: float


class Hold(msgspec.Struct, frozen=True):
    """A ``Hold`` is something that holds verdicts back: on ``members``, in ``scope``, and why.

    ``kind`` is a word that stays the same; ``until`` is null where nobody knows.
    """

    kind: str
    scope: str
    reason: str
    since: datetime
    until: datetime | None
    members: int


class PeerStatus(msgspec.Struct, frozen=True):
    """A ``PeerStatus`` is what another coordinator on the same registry said ``age`` seconds ago.

    ``differs`` means that both listen, and count members by state differently. That is no wonder
    for a second or two after a change.
    """

    coordinator: str
    age: float
    listening: bool
    states: dict[State, int]
    differs: bool


class StatusAnswer(msgspec.Struct, frozen=True):
    """A ``StatusAnswer`` describes the coordinator that answers, and its shards.

    ``unsaved`` counts members and lines of history that its registry does not have yet, and
    ``not_seated`` newcomers that wait because this coordinator has as many as it takes. ``held`` is
    what holds verdicts back. ``judged_later`` members are down after more than service_down_time, for
    the sake of their intervals, and the last of them after ``latest_down_after`` seconds.
    ``quarantined`` are members and lines of history that the registry could not keep, or that made
    no sense there. ``facts_age`` is as in every answer; ``registry_reason`` says why it is lost.
    ``listening`` is false where members are ``uncovered``: none of the shards that they beat to is
    listening. Shards have ``redundancy_lost`` instead if their members are heard on another one.
    ``signatures`` is what is made of beats without one: ``off``, ``accept`` or ``require``;
    ``with_old_key`` and ``beating_unsigned`` are those of the shard where most are.
    """

    coordinator: str
    musterd: str
    started: datetime
    ready: bool
    version: int
    listening: bool
    staleness: float | None
    store: str
    registry: str
    groups: int
    members: int
    states: dict[State, int]
    service_down_time: float
    sweep_period: float
    shards: list[ShardStatus]
    storms: list[StormStatus]
    unsaved: int = 0
    not_seated: int = 0
    registry_ok: bool = True
    registry_reason: str = ""
    facts_age: float | None = None
    quarantined: int = 0
    peers: Sequence[PeerStatus] = ()
    verdicts: dict[str, int] = {}
    marks: dict[Mark, int] = {}
    held: list[Hold] = []
    judged_later: int = 0
    latest_down_after: float = 0.0
    uncovered: int = 0
    redundancy_lost: list[str] = []
    signatures: str = "off"
    with_old_key: int = 0
    beating_unsigned: int = 0
