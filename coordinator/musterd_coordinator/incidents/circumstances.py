"""The module finds what is the matter with shards, the registry and other coordinators. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from musterd.incidents import IncidentKind
from musterd.status import PeerStatus
from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.roll.shard import ShardHealth

OLD_FACTS = 30.0
"""Seconds without a word of the registry after which operators' orders may be others."""

MANY_UNSAVED = 10_000
"""Changes that the registry may not have yet: those of a second or two are always under way."""

AWAY_FOR, SLOW_FOR, BEHIND_FOR, DIFFERENT_FOR = 5.0, 30.0, 60.0, 60.0
"""Seconds after which each is told of. Coordinators differ for a moment with every change, and the first
minute of a large fleet is saved for longer than it takes."""


class Circumstances(NamedTuple):
    """`Circumstances` are how a coordinator is: its name, its shards and their period, its registry.

    ``shards_away`` are those that do not listen while their members are heard on others; ``unsaved`` is how
    much the registry does not have yet, and ``facts_age`` how many seconds ago it was heard last.
    """

    coordinator: str
    shards: Sequence[ShardHealth]
    sweep_period: float
    shards_away: Sequence[str] = ()
    registry_reason: str = ""
    unsaved: int = 0
    facts_age: float | None = None
    peers: Sequence[PeerStatus] = ()


def found_in(now: Circumstances) -> Iterator[Sighting]:
    """Yield what is the matter, but with members."""
    yield from map(_away, (one for one in now.shards if one.name in now.shards_away))
    for shard in now.shards:
        if shard.listening and (shard.sweep_seconds or 0.0) > now.sweep_period:
            yield _slow(shard, now.sweep_period)
    yield from _registry(now)
    yield from (_disagrees(now.coordinator, peer) for peer in now.peers if peer.differs)


def _away(shard: ShardHealth) -> Sighting:
    return Sighting(
        IncidentKind.REDUNDANCY_LOST,
        scope=shard.name,
        count=shard.members,
        since=shard.since,
        detail=shard.reason,
        patience=AWAY_FOR,
    )


def _slow(shard: ShardHealth, period: float) -> Sighting:
    return Sighting(
        IncidentKind.SLOW_SWEEPS,
        scope=shard.name,
        count=shard.members,
        detail=f"{shard.sweep_seconds:.2g} s at a period of {period:g} s",
        patience=SLOW_FOR,
    )


def _registry(now: Circumstances) -> Iterator[Sighting]:
    old = now.facts_age is not None and now.facts_age > OLD_FACTS
    if now.registry_reason or old:
        detail, patience = now.registry_reason or f"not heard for {now.facts_age:.0f} s", AWAY_FOR
    elif now.unsaved > MANY_UNSAVED:
        detail, patience = "it takes changes more slowly than they come", BEHIND_FOR
    else:
        return
    kind = IncidentKind.REGISTRY_BEHIND
    yield Sighting(kind, count=now.unsaved, detail=detail, patience=patience)


def _disagrees(coordinator: str, peer: PeerStatus) -> Sighting:
    seen = ", ".join(f"{count} {state}" for state, count in peer.states.items() if count)
    return Sighting(
        IncidentKind.COORDINATORS_DISAGREE,
        scope=peer.coordinator,
        count=sum(peer.states.values()),
        detail=f"it sees {seen or 'nobody'}",
        patience=DIFFERENT_FOR,
        parties=" ".join(sorted((coordinator, peer.coordinator))),
    )
