"""How this coordinator and its shards are, in words and figures."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from musterd.about import version
from musterd.model import ShardStatus, StatusAnswer
from musterd_coordinator import tally
from musterd_coordinator.holds import holds
from musterd_coordinator.roll import Roll
from musterd_coordinator.shard import Clocks, Shard, wall_instant
from musterd_coordinator.steps import Steps
from musterd_coordinator.storms import storms

if TYPE_CHECKING:
    from musterd_coordinator.answers import Answers

LISTENING = "listening"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a coordinator says of itself; URLs without secrets."""

    name: str
    store: str
    registry: str
    started: datetime
    sweep_period: float


def status(roll: Roll, answers: "Answers", identity: Identity, unsaved: int) -> Steps[StatusAnswer]:
    """The whole answer of ``GET /v1/status``; ``unsaved`` is the registry's backlog.

    In steps.
    """
    counts = answers.tally().all
    yield
    held = yield from storms(roll)
    listening, staleness = answers.freshness()
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
        unsaved=unsaved,
        not_seated=roll.admission.not_seated,
        verdicts=tally.verdicts(counts),
        marks=tally.marks(counts),
        held=holds(roll),
        judged_later=len(roll.notices.later),
        latest_down_after=round(roll.notices.latest_down_after, 3),
    )


def shard_statuses(roll: Roll) -> list[ShardStatus]:
    """How each shard is."""
    return [_shard(shard, roll.clocks) for shard in roll.shards]


def _shard(shard: Shard, clocks: Clocks) -> ShardStatus:
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
