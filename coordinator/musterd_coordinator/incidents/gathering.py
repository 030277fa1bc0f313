"""Many incidents of one kind are told as one that opens, so that others are still seen. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from heapq import nsmallest

from msgspec.structs import replace

from musterd.incidents import Incident, IncidentKind
from musterd_coordinator.incidents.ledger import Entered
from musterd_coordinator.incidents.sighting import Sighting, id_of
from musterd_coordinator.incidents.survey import FEW
from musterd_coordinator.incidents.wording import command, next_step, what
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.steps import Steps

FEW_ENOUGH = 5
"""Incidents of one kind, of one group or of all, that are told one by one."""

SHOWN = 100
"""Parts that an incident of many shows: the largest."""

_AT_ONCE = 100  # incidents made in one step
_RANK = {kind: rank for rank, kind in enumerate(IncidentKind)}


def incident(entered: Entered) -> Incident:
    """Return one that stands alone."""
    sighting = entered.sighting
    zones = int(sighting.zone is not None)
    return Incident(
        id=sighting.id,
        kind=sighting.kind,
        group=sighting.group,
        zone=sighting.zone,
        scope=sighting.scope,
        count=sighting.count,
        suspect=sighting.suspect,
        zones=zones,
        members=sighting.members,
        since=wall_instant(entered.since),
        newest=_instant(sighting.newest),
        until=_instant(entered.until),
        what=what(sighting, zones),
        next=next_step(sighting.kind),
        command=command(sighting),
    )


def gathered(alone: Iterable[Entered]) -> Steps[list[Incident]]:
    """Return them as incidents, the worst first, in steps.

    More than a few of one kind and group are one, and so are then those of one kind. None is lost by that:
    counts and zones add up.
    """
    by_group = defaultdict[tuple[IncidentKind, str], _Pile](_Pile)
    for at, entered in enumerate(alone, 1):
        by_group[entered.sighting.kind, entered.sighting.group].add(incident(entered))
        if at % _AT_ONCE == 0:
            yield
    by_kind = defaultdict[IncidentKind, _Pile](_Pile)
    most = SHOWN if len(by_group) <= SHOWN else FEW_ENOUGH
    for at, ((kind, _), pile) in enumerate(by_group.items(), 1):
        for one in pile.told():
            by_kind[kind].add(replace(one, parts=one.parts[:most]))
        if at % _AT_ONCE == 0:
            yield
    return sorted((one for pile in by_kind.values() for one in pile.told()), key=_order)


class _Pile:
    """A `_Pile` has incidents of one kind: the largest of them, and the sums of all."""

    def __init__(self) -> None:
        self._largest: list[Incident] = []
        self._groups: set[str] = set()
        self._number = self._count = self._suspect = self._zones = 0
        self._since: datetime | None = None
        self._newest: datetime | None = None
        self._until: datetime | None = None

    def add(self, one: Incident) -> None:
        """Add ``one``."""
        self._number += 1
        self._count += one.count
        self._suspect += one.suspect
        self._zones += one.zones
        self._groups.add(one.group)
        self._since = min(self._since or one.since, one.since)
        self._newest = _later(self._newest, one.newest)
        self._until = _later(self._until, one.until)
        self._largest.append(one)
        if len(self._largest) > 2 * SHOWN:
            self._largest = nsmallest(SHOWN, self._largest, key=_order)

    def told(self) -> list[Incident]:
        """Return them one by one if they are few, else as one."""
        return self._largest if self._number <= FEW_ENOUGH else [self._as_one()]

    def _as_one(self) -> Incident:
        parts = nsmallest(SHOWN, self._largest, key=_order)
        kind, group = parts[0].kind, parts[0].group if len(self._groups) == 1 else ""
        whole = Sighting(kind, group, count=self._count, suspect=self._suspect)
        assert self._since is not None, "there is one at least"
        return Incident(
            id=id_of(f"many {kind}", group, None, ""),
            kind=kind,
            group=group,
            zone=None,
            scope="",
            count=self._count,
            suspect=self._suspect,
            zones=self._zones,
            members=[name for one in parts[:FEW] for name in one.members[:1]],
            since=self._since,
            newest=self._newest,
            until=self._until,
            what=what(whole, self._zones or self._number, len(self._groups)),
            next=next_step(kind),
            command=command(whole),
            parts=parts,
        )


def _order(one: Incident) -> tuple[int, int, str, str, str]:
    return _RANK[one.kind], -one.count, one.group, one.zone or "", one.scope


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else wall_instant(seconds)
