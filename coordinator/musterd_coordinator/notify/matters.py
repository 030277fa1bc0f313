"""A matter is what messages are about: an incident, or a coordinator that does not answer. Pure."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

import msgspec

from musterd.incidents import Incident, IncidentKind
from musterd.terminal import visible

AWAY = "coordinator_away"
"""The kind of a matter that no coordinator can tell: that one does not answer."""

PARTS = 200
"""Ids of parts that are remembered, which are more than a coordinator tells of one incident."""

_CRITICAL = (
    *(IncidentKind.UNHEARD, IncidentKind.MASS_SILENCE, IncidentKind.DEATHS),
    *(IncidentKind.COORDINATORS_DISAGREE, IncidentKind.REGISTRY_BEHIND),
)


class Matter(msgspec.Struct, frozen=True):
    """A `Matter` is an incident as messages tell it, with the ids of its ``parts``.

    The fields are those of an Incident; ``kind`` is one of its kinds, or :data:`AWAY`. ``severity`` is
    ``critical``, ``warning`` or ``info``.
    """

    id: str
    kind: str
    severity: str
    group: str
    zone: str | None
    scope: str
    count: int
    members: Sequence[str]
    since: datetime
    what: str
    next: str
    command: str
    source: str
    parts: Sequence[str] = ()


class MessageKind(StrEnum):
    """An `MessageKind` says what became of a matter; a heartbeat is about none."""

    OPENED = "opened"
    CHANGED = "changed"
    ONGOING = "ongoing"  # told again, to those that forget what they are not told
    RESOLVED = "resolved"
    HEARTBEAT = "heartbeat"


class Message(msgspec.Struct, frozen=True):
    """A `Message` is one word to whoever is on duty, ``at`` a time.

    ``text`` is all of it in one line. ``before`` is the matter as it was last told, ``until`` when a
    resolved one was over, and ``going_on`` how many were when it was made.
    """

    event: MessageKind
    at: datetime
    text: str
    incident: Matter | None = None
    before: Matter | None = None
    until: datetime | None = None
    going_on: int = 0


def matter_of(incident: Incident, source: str) -> Matter:
    """Return what is told of ``incident``, which the coordinator ``source`` told."""
    return Matter(
        incident.id,
        incident.kind.value,
        severity_of(incident.kind),
        incident.group,
        incident.zone,
        incident.scope,
        incident.count,
        list(incident.members),
        incident.since,
        incident.what,
        incident.next,
        incident.command,
        source,
        sorted(_ids_of_parts(incident))[:PARTS],
    )


def away(address: str, since: datetime, why: str) -> Matter:
    """Return that the coordinator at ``address`` does not answer, and ``why`` as far as is known."""
    return Matter(
        id=blake2b(f"{AWAY}\0{address}".encode(), digest_size=8).hexdigest(),
        kind=AWAY,
        severity="critical",
        group="",
        zone=None,
        scope=address,
        count=1,
        members=[],
        since=since,
        what=f"the coordinator {address} does not answer: {why}",
        next="Look whether it runs, and whether its port can be reached from here. What it said last"
        " is not over by that.",
        command=f"musterd health --coordinator {address}",
        source="",
    )


def severity_of(kind: IncidentKind) -> str:
    """Return how urgent a kind is, in the words of deploy/prometheus/rules.yml."""
    if kind in _CRITICAL:
        return "critical"
    return "info" if kind is IncidentKind.FORCED_DOWN else "warning"


def text_of(event: MessageKind, matter: Matter, before: Matter | None) -> str:
    """Say it in one line, without anything that moves a cursor."""
    kind = matter.kind.replace("_", " ").upper()
    was = "" if before is None or before.count == matter.count else f" (was {before.count})"
    if event is MessageKind.RESOLVED:
        return visible(f"resolved: {kind}: {matter.what}")
    return visible(f"{kind}: {matter.what}{was}. {matter.next}")


def _ids_of_parts(incident: Incident) -> set[str]:
    ids = {part.id for part in incident.parts}
    return ids.union(*(_ids_of_parts(part) for part in incident.parts))
