"""A host that slept: what was heard before it fell asleep is old when it wakes."""

from math import inf

import anyio
import pytest

from musterd import ages
from musterd.client.replica import Replica
from musterd.client.view import EventParser
from musterd.testing.busy import in_time
from musterd_agent.agent import Agent
from musterd_agent.membership import Membership
from musterd_coordinator.roll.shard import Clocks
from tests.agent_support import RecordingShard, running, settings_of, store_of
from tests.unit.stage import Stage, host

NIGHT = 8 * 3600.0


class Host:
    """How long it has slept."""

    slept = 12.0

    def __call__(self) -> float:
        return self.slept


def test_a_host_that_is_awake_sleeps_no_longer() -> None:
    before = ages.slept()
    assert before > -0.01
    assert ages.asleep(before, ages.slept()) == 0.0


@pytest.mark.parametrize(("now", "asleep"), [(5.0, 0.0), (5.001, 0.0), (4.999, 0.0), (35.0, 30.0)])
def test_readings_that_differ_a_little_are_no_sleep(now: float, asleep: float) -> None:
    assert ages.asleep(5.0, now) == asleep


async def test_a_member_that_slept_knows_how_old_its_last_beat_is() -> None:
    shard, slept = RecordingShard(), Host()
    agent = Agent(store_of(shard), settings_of("h1"), slept=slept)
    membership = Membership(agent, agent._settings.members[0].announced())
    slept.slept += NIGHT
    assert membership.last_accepted_age >= NIGHT  # since it joined
    async with running(agent):
        await shard.until(lambda: bool(shard.taken))
        with in_time(5):
            await agent.loops[0].first_accepted.wait()
        assert membership.last_accepted_age < 5
        slept.slept += NIGHT
        assert NIGHT <= membership.last_accepted_age < NIGHT + 5
        assert NIGHT <= membership.age(anyio.current_time() + 60) - 60 < NIGHT + 5


async def test_a_replica_that_slept_knows_how_old_its_view_is() -> None:
    slept = Host()
    replica = Replica("http://127.0.0.1:1", "compute", slept=slept)
    assert replica.age == inf
    told = (
        b'event: snapshot\nid: r-1\ndata: {"version":1,"listening":true,"staleness":0.5,'
        b'"groups":{},"more":false}\n\n'
    )
    (event,) = EventParser().feed(told)
    replica._view.restart()
    replica._follower.apply(replica._follower.addresses[0], event)
    assert 0.5 <= replica.age < 5
    slept.slept += NIGHT
    assert NIGHT <= replica.age < NIGHT + 5


def asleep(stage: Stage, slept: Host) -> Stage:
    stage.roll.clocks = Clocks(lambda: stage.now, lambda: stage.wall, slept)
    return stage


def test_a_coordinator_that_slept_says_how_old_its_knowledge_is() -> None:
    slept = Host()
    stage = asleep(Stage(), slept)
    stage.sweep()
    stage.sweep(seated=((1, host("h1")),))
    assert stage.answers.freshness() == (True, 0.0)
    slept.slept += 30.0
    assert stage.answers.freshness()[1] == 30.0
    stage.sweep(proven=False)
    assert stage.answers.freshness()[1] == 30.5
    stage.sweep()
    assert stage.answers.freshness() == (True, 0.0)


def test_sleep_between_two_sweeps_is_a_gap() -> None:
    """Whatever the store did meanwhile, nobody could tell."""
    slept = Host()
    stage = asleep(Stage(), slept)
    stage.sweep()
    stage.sweep(seated=((1, host("h1")),))
    stage.sweep({1: (7, 1)})
    for _ in range(7):
        stage.sweep()
    before = stage.roll.shards[0].clock.time
    slept.slept += 0.6
    stage.sweep()
    assert stage.roll.shards[0].clock.time == before
    for _ in range(5):
        stage.sweep()
    assert stage.state("h1") == "up"
    stage.sweep()
    assert stage.state("h1") == "down"
