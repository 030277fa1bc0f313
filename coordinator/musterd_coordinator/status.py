"""How this coordinator and its shards are, in words and figures."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from musterd.about import version
from musterd.model import ShardStatus, StatusAnswer, StormStatus
from musterd_coordinator import tally
from musterd_coordinator.members import Code
from musterd_coordinator.roll import Roll
from musterd_coordinator.shard import Shard, wall_instant

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


def status(roll: Roll, answers: "Answers", identity: Identity, unsaved: int) -> StatusAnswer:
    """The whole answer of ``GET /v1/status``; ``unsaved`` is the registry's backlog."""
    listening, staleness = answers.freshness()
    counts = answers.tally().all
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
        storms=_storms(roll),
        unsaved=unsaved,
        not_seated=roll.admission.not_seated,
        verdicts=tally.verdicts(counts),
        marks=tally.marks(counts),
    )


def shard_statuses(roll: Roll) -> list[ShardStatus]:
    """How each shard is."""
    return [_shard(shard, roll.clocks.monotonic()) for shard in roll.shards]


def _shard(shard: Shard, now: float) -> ShardStatus:
    staleness = shard.clock.staleness(now)
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


def _storms(roll: Roll) -> list[StormStatus]:
    """One for each zone that has suspects; it ends when the last of them is judged."""
    members, detector = roll.detector.members, roll.detector
    suspects = np.flatnonzero(members.state[members.used] == Code.SUSPECT)
    storms = []
    for code in np.unique(members.zone[suspects]):
        held = suspects[members.zone[suspects] == code]
        group, zone = roll.directory.zones.key(int(code))
        inside = members.state[members.used][members.zone[members.used] == code]
        remaining = float((detector.storm_silence(held) - detector.silence(held)).max())
        storms.append(
            StormStatus(
                group=group,
                zone=zone,
                silent=len(held),
                living=int(((inside == Code.UP) | (inside == Code.SUSPECT)).sum()),
                since=wall_instant(float(members.since[held].min())),
                ends_in=round(max(0.0, remaining), 1),
            )
        )
    return storms
