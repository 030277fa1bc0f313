"""A roll in which each member is as a test says, and the shards that it is surveyed with."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple, cast

from musterd.beat import Status
from musterd.incidents import Incident
from musterd.model import Member
from musterd_coordinator.incidents.gathering import gathered
from musterd_coordinator.incidents.ledger import Entered
from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.incidents.survey import survey
from musterd_coordinator.judge.incarnations import CONFLICT_FLIPS
from musterd_coordinator.judge.members import Code
from musterd_coordinator.roll.shard import ShardHealth
from musterd_coordinator.steps import whole
from tests.unit.stage import Stage


class Troubled(NamedTuple):
    """A member, and what is the matter with it."""

    group: str = "compute"
    zone: str = "r1"
    state: Code = Code.UP
    status: Status = Status.OK
    orders: int = 0
    conflict: bool = False
    shard: int = 0
    since: float = 1000.0


def stage_of(fleet: Sequence[tuple[str, Troubled]]) -> Stage:
    """Return a roll with these members, by name."""
    stage = Stage()
    stage.sweep()
    seated = [Member(one.group, name, zone=one.zone) for name, one in fleet]
    stage.sweep(seated=tuple(enumerate(seated)))
    columns = stage.roll.view.surveyed._parts.detector.members
    for name, one in fleet:
        row = stage.roll.view.row(one.group, name)
        for column in ("state", "status", "orders", "since"):
            getattr(columns, column)[row] = getattr(one, column)
        columns.shard[0, row] = one.shard
        columns.flips[row] = CONFLICT_FLIPS * one.conflict
    return stage


def a_shard(name: str = "mc1", *, listening: bool = True, **how: object) -> ShardHealth:
    """Return a shard that was swept."""
    usual = {"since": 500.0, "sweep_seconds": 0.1, "members": 3, "reason": ""}
    return cast("ShardHealth", SimpleNamespace(name=name, listening=listening, **{**usual, **how}))


def found_in(
    fleet: Sequence[tuple[str, Troubled]], listening: Sequence[bool] = (True, True)
) -> list[Sighting]:
    """Return what a survey of these members finds."""
    shards = [a_shard(f"mc{n}", listening=one) for n, one in enumerate(listening)]
    return whole(survey(stage_of(fleet).roll.view.surveyed, shards))


def as_incidents(found: Sequence[Sighting]) -> list[Incident]:
    """Return them as they are told."""
    return whole(gathered([Entered(one, one.since or 2000.0, 0.0) for one in found]))
