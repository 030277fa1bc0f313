"""The module has what a coordinator says of whatever needs attention."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec


class IncidentKind(StrEnum):
    """An ``IncidentKind`` says what is the matter; the first are told first."""

    UNHEARD = "unheard"  # none of the members' shards is listening: their deaths are not found
    MASS_SILENCE = "mass_silence"  # so much of a zone went at once that it is held
    DEATHS = "deaths"  # members are down, and nobody ordered it
    CONFLICT = "conflict"  # others than their agents write their beats, too
    FAILING_CHECKS = "failing_checks"  # down, as their own agents say
    COORDINATORS_DISAGREE = "coordinators_disagree"
    REGISTRY_BEHIND = "registry_behind"
    SLOW_SWEEPS = "slow_sweeps"  # sweeps take longer than their period
    REDUNDANCY_LOST = "redundancy_lost"  # a shard is away, and its members are heard on another
    FORCED_DOWN = "forced_down"  # an operator's order, which nobody took back yet


class Incident(msgspec.Struct, frozen=True, gc=False):
    """An ``Incident`` is something that needs attention, until its cause is over.

    ``id`` is of what it is and where: every coordinator names it so, and if it comes again, it has the
    same. A mass silence that turns into deaths keeps it. ``group`` is empty where it concerns several or
    none, and ``zone`` null where it is not of one; ``scope`` is a shard or another coordinator.
    ``count`` members are concerned, of ``zones`` zones; ``suspect`` of them are suspect. ``members`` are
    a few of them, as ``group/name``. ``since`` is when it began, or when this coordinator first saw it
    where nothing tells more; ``newest`` is when a member came to it last, where that is known; ``until``
    is null while it goes on. ``what`` says it in words, ``next`` what to do, ``command`` what to type
    first. Many of one kind are one incident with the largest of them as ``parts``, which have its
    ``count`` in all if ``zones`` tells of no more.
    """

    id: str
    kind: IncidentKind
    group: str
    zone: str | None
    scope: str
    count: int
    suspect: int
    zones: int
    members: Sequence[str]
    since: datetime
    newest: datetime | None
    until: datetime | None
    what: str
    next: str
    command: str
    parts: Sequence["Incident"] = ()


class EventIncidents(msgspec.Struct, frozen=True):
    """An ``EventIncidents`` has all that needs attention; who follows one group hears of that alone."""

    incidents: Sequence[Incident]


class IncidentList(msgspec.Struct, frozen=True):
    """An ``IncidentList`` has the ``incidents`` that go on, the worst first, as they were ``at`` that time.

    ``resolved`` are those of the last hour that are over, the newest first.
    """

    version: int
    at: datetime
    incidents: Sequence[Incident]
    resolved: Sequence[Incident]
