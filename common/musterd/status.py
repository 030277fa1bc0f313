"""The module has what a coordinator says of itself: its shards, and what it holds back."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from musterd.answers import GroupSummary
from musterd.incidents import Incident
from musterd.model import Mark, State


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


class EventStatus(msgspec.Struct, frozen=True):
    """An ``EventStatus`` has what a coordinator says of itself, of groups, and of what needs attention.

    ``status`` is null for whoever may not see all groups; ``groups`` and ``incidents`` are of the one
    that is followed, or of all.
    """

    status: StatusAnswer | None
    groups: Sequence[GroupSummary]
    incidents: Sequence[Incident]
