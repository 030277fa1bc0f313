"""How this coordinator and its shards are, in words and figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from musterd.about import version
from musterd.model import Hold, PeerStatus, ShardStatus, StatusAnswer
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.coverage import redundancy_lost, uncovered
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks, ShardState, wall_instant
from musterd_coordinator.service.holds import holds, of_storms
from musterd_coordinator.service.storms import storms
from musterd_coordinator.steps import Steps

if TYPE_CHECKING:
    from musterd_coordinator.service.queries import Queries

LISTENING = "listening"
OLD_FACTS = 30.0
"""Seconds without a word of the registry after which answers say so in words."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a coordinator says of itself; URLs without secrets."""

    name: str
    store: str
    registry: str
    started: datetime
    sweep_period: float


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """How the registry is: see the fields of the same names, and ``reason`` why it is lost."""

    unsaved: int = 0
    reason: str = ""
    facts_age: float | None = None
    quarantined: int = 0
    peers: Sequence[PeerStatus] = ()


def status(
    roll: Roll, answers: "Queries", identity: Identity, registry: RegistryStatus
) -> Steps[StatusAnswer]:
    """The whole answer of ``GET /v1/status``, in steps."""
    counts = answers.tally().all
    yield
    held = yield from storms(roll)
    listening, staleness = answers.freshness()
    placed, heard = roll.placement.coverage.all, roll.listening
    return StatusAnswer(
        coordinator=identity.name,
        musterd=version(),
        started=identity.started,
        ready=roll.ready,
        version=roll.version,
        listening=listening,
        staleness=staleness,
        store=identity.store,
        registry=identity.registry,
        groups=len(roll.directory.groups),
        members=len(roll.directory),
        states=tally.states(counts),
        service_down_time=roll.detector.rules.service_down_time,
        sweep_period=identity.sweep_period,
        shards=shard_statuses(roll),
        storms=held,
        unsaved=registry.unsaved,
        registry_ok=not registry.reason,
        registry_reason=registry.reason,
        facts_age=registry.facts_age,
        quarantined=registry.quarantined,
        peers=registry.peers,
        not_seated=roll.admission.not_seated,
        verdicts=tally.verdicts(counts),
        marks=tally.marks(counts),
        held=[*holds(roll, identity.started), *of_storms(held, roll), *_old_facts(roll, registry)],
        judged_later=len(roll.notices.later),
        latest_down_after=round(roll.notices.latest_down_after, 3),
        uncovered=uncovered(placed, heard),
        redundancy_lost=[roll.shards[at].name for at in redundancy_lost(placed, heard)],
    )


def _old_facts(roll: Roll, registry: RegistryStatus) -> Iterator[Hold]:
    """Operators' orders are in force as they were last heard of."""
    if registry.facts_age is not None and registry.facts_age > OLD_FACTS:
        since = roll.clocks.instant(roll.clocks.monotonic() - registry.facts_age)
        reason = f"newer orders are not known: {registry.reason}"
        yield Hold("facts are old", "registry", reason, since, None, len(roll.directory))


def shard_statuses(roll: Roll) -> list[ShardStatus]:
    """How each shard is."""
    return [_shard(shard, roll.clocks) for shard in roll.shards]


def _shard(shard: ShardState, clocks: Clocks) -> ShardStatus:
    staleness = shard.staleness(clocks)
    return ShardStatus(
        shard=shard.name,
        listening=shard.clock.listening,
        reason=shard.reason or LISTENING,
        since=wall_instant(shard.since),
        staleness=None if staleness is None else round(staleness, 3),
        canary_seconds=shard.canary_seconds,
        sweep_seconds=shard.sweep_seconds,
        listening_time=round(shard.clock.time, 3),
        members=shard.seats.count,
        beats=shard.beats,
        sweeps=shard.sweeps,
        unproven_sweeps=shard.unproven,
        rejected=shard.rejected._asdict(),
    )
