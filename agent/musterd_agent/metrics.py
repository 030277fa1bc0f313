"""The module says in Prometheus' words how an agent fares."""

from collections.abc import Iterator
from typing import NamedTuple

from musterd.agentfile import BEATING, SHARD_BEATING, WRITTEN
from musterd.exposition import MetricFamily, Series
from musterd_agent.loop import Counters


class MemberFigures(NamedTuple):
    """``MemberFigures`` are those of one member.

    ``allowed`` is the seconds that a push may take; ``accepted_age`` those since a beat got through,
    None: never.
    """

    group: str
    member: str
    interval: float
    allowed: float
    counters: Counters
    accepted_age: float | None

    @property
    def is_beating(self) -> bool:
        """Say whether a beat got through within two intervals and a push: one alone may be lost."""
        latest = 2 * self.interval + self.allowed
        return self.accepted_age is not None and self.accepted_age <= latest


class ShardFigures(NamedTuple):
    """``ShardFigures`` say of a shard whether the last beats of all members got there."""

    name: str
    is_beating: bool


class AgentFigures(NamedTuple):
    """``AgentFigures`` are all that an agent tells of itself at one moment.

    ``wall`` and ``started`` are Unix time, for people; ``boot`` is the boot clock's.
    """

    incarnation: int
    started: float
    wall: float
    boot: float
    overdue: float
    members: tuple[MemberFigures, ...]
    shards: tuple[ShardFigures, ...]


def families(told: AgentFigures, version: str) -> Iterator[MetricFamily]:
    """Yield all families of one agent, of this ``version`` of musterd."""
    build = {"version": version, "incarnation": f"{told.incarnation:016x}"}
    yield _gauge("musterd_agent_info", "This run of the agent; always 1.", Series(build, 1))
    yield _alone("musterd_agent_start_time_seconds", "When it started, Unix time.", told.started)
    yield _alone(WRITTEN, "When this was written, by the host's boot clock.", told.boot)
    yield _alone("musterd_agent_overdue_seconds", "How late the latest loop is.", told.overdue)
    yield _gauge(
        SHARD_BEATING,
        "1 if the last beats of all its members got through to the shard.",
        *(Series({"shard": one.name}, one.is_beating) for one in told.shards),
    )
    yield from _of_members(told)


def _of_members(told: AgentFigures) -> Iterator[MetricFamily]:
    named = [({"group": one.group, "member": one.member}, one) for one in told.members]
    yield _gauge(
        BEATING,
        "1 if beats of the member get through to a shard.",
        *(Series(labels, one.is_beating) for labels, one in named),
    )
    yield _gauge(
        "musterd_agent_interval_seconds",
        "Seconds between two beats of the member.",
        *(Series(labels, one.interval) for labels, one in named),
    )
    yield _gauge(
        "musterd_agent_last_accepted_time_seconds",
        "When a beat of the member last got through, Unix time.",
        *(
            Series(labels, told.wall - one.accepted_age)
            for labels, one in named
            if one.accepted_age is not None
        ),
    )
    yield MetricFamily(
        "musterd_agent_beats_total",
        "counter",
        "Beats made.",
        [Series(labels, one.counters.made) for labels, one in named],
    )
    yield MetricFamily(
        "musterd_agent_pushes_total",
        "counter",
        "Pushes of a beat to a shard, by whether the shard took it.",
        [
            Series({**labels, "result": result}, count)
            for labels, one in named
            for result, count in (
                ("accepted", one.counters.accepted),
                ("failed", one.counters.failed),
            )
        ],
    )


def _alone(name: str, means: str, value: float) -> MetricFamily:
    return _gauge(name, means, Series({}, value))


def _gauge(name: str, means: str, *series: Series) -> MetricFamily:
    return MetricFamily(name, "gauge", means, series)
