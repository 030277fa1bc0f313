"""The status tells how this coordinator and its shards are, in words and figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from musterd.about import version
from musterd.status import Hold, PeerStatus, ShardStatus, StatusAnswer
from musterd_coordinator.incidents.circumstances import OLD_FACTS
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.hearing import Hearing
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.service.holds import holds, of_storms
from musterd_coordinator.steps import Steps

if TYPE_CHECKING:
    from musterd_coordinator.service.queries import Queries

LISTENING = "listening"


@dataclass(frozen=True, slots=True)
class Identity:
    """An `Identity` is what a coordinator says of itself; URLs are without secrets."""

    name: str
    store: str
    registry: str
    started: datetime
    sweep_period: float
    signatures: str = "off"


@dataclass(frozen=True, slots=True)
class RegistryStatus:
    """A `RegistryStatus` is how the registry is.

    See the fields of the same names in StatusAnswer; ``reason`` is why the registry is lost.
    """

    unsaved: int = 0
    reason: str = ""
    facts_age: float | None = None
    quarantined: int = 0
    peers: Sequence[PeerStatus] = ()


def status(
    view: RollView, answers: "Queries", identity: Identity, registry: RegistryStatus
) -> Steps[StatusAnswer]:
    """Return the whole answer of ``GET /v1/status``, in steps."""
    counts = answers.tally().all
    yield
    hearing = view.hearing
    held = yield from hearing.storms()
    listening, staleness = answers.freshness()
    return StatusAnswer(
        coordinator=identity.name,
        musterd=version(),
        started=identity.started,
        ready=view.ready,
        version=view.version,
        listening=listening,
        staleness=staleness,
        store=identity.store,
        registry=identity.registry,
        groups=len(view.groups),
        members=len(view),
        states=tally.states(counts),
        service_down_time=view.down_time,
        sweep_period=identity.sweep_period,
        shards=shard_statuses(hearing),
        storms=held,
        unsaved=registry.unsaved,
        registry_ok=not registry.reason,
        registry_reason=registry.reason,
        facts_age=registry.facts_age,
        quarantined=registry.quarantined,
        peers=registry.peers,
        not_seated=hearing.not_seated,
        verdicts=tally.verdicts(counts),
        marks=tally.marks(counts),
        held=[*holds(view, identity.started), *of_storms(held, view), *_old_facts(view, registry)],
        judged_later=hearing.judged_later,
        signatures=identity.signatures,
        with_old_key=max(shard.signatures.with_old_key for shard in hearing.shards),
        beating_unsigned=max(shard.signatures.beating_unsigned for shard in hearing.shards),
        latest_down_after=round(hearing.latest_down_after, 3),
        uncovered=hearing.uncovered(),
        redundancy_lost=hearing.redundancy_lost(),
    )


def _old_facts(view: RollView, registry: RegistryStatus) -> Iterator[Hold]:
    """Yield that operators' orders are in force as they were last heard of, if that was long ago."""
    if registry.facts_age is not None and registry.facts_age > OLD_FACTS:
        since = view.clocks.from_now(-registry.facts_age)
        reason = f"newer orders are not known: {registry.reason}"
        yield Hold("facts are old", "registry", reason, since, None, len(view))


def shard_statuses(hearing: Hearing) -> list[ShardStatus]:
    """Return how each shard is."""
    return [_shard(hearing, index) for index in range(len(hearing.shards))]


def _shard(hearing: Hearing, index: int) -> ShardStatus:
    shard, staleness = hearing.shards[index], hearing.staleness(index)
    return ShardStatus(
        shard=shard.name,
        listening=shard.listening,
        reason=shard.reason or LISTENING,
        since=wall_instant(shard.since),
        staleness=None if staleness is None else round(staleness, 3),
        canary_seconds=shard.canary_seconds,
        sweep_seconds=shard.sweep_seconds,
        listening_time=round(shard.listening_time, 3),
        members=shard.members,
        beats=shard.beats,
        sweeps=shard.sweeps,
        unproven_sweeps=shard.unproven,
        rejected=shard.rejected._asdict(),
        **shard.signatures._asdict(),
    )
