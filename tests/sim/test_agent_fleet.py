"""Hundreds of agents on one store in simulated time: starts, outages, restarts, lost members."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from random import Random

import anyio
import pytest

from musterd.beat import Status
from musterd.stores import open_store
from musterd.stores.base import Store
from musterd.stores.table.store import named_table
from musterd_agent.agent import Agent
from musterd_coordinator.sweep.base import open_reader
from tests.agent_support import NAMESPACE, TroubledShard, settings_of, store_of

AGENTS = 200
INTERVAL = 10.0
MEAN_RATE = AGENTS / INTERVAL

_numbers = count()


def memory_store(name: str) -> Store:
    """The in-process store of this name."""
    return open_store(f"memory:{name}", namespace=NAMESPACE, timeout=5.0, beat_ttl=600.0)


class Fleet:
    """Agents of one member each, all on one shard, each with a connection of its own to it."""

    def __init__(self) -> None:
        self.name = f"fleet-{next(_numbers)}"
        self.store = memory_store(self.name)
        self.shards = [TroubledShard(self.store.writer(0)) for _ in range(AGENTS)]
        self.agents = [
            Agent(
                store_of(shard),
                settings_of(f"host-{number:03}", interval=INTERVAL),
                rng=Random(number),
                wall_clock=lambda: 1e9,
                incarnation=1,
            )
            for number, shard in enumerate(self.shards)
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agents run for the length of the block, started together."""
        async with anyio.create_task_group() as tasks:
            for agent in self.agents:
                tasks.start_soon(agent.run)
            yield
            tasks.cancel_scope.cancel()

    def instants(self, since: float, until: float, *, tried: bool = False) -> list[float]:
        """When beats were taken (or calls tried) by the shard, in order."""
        lists = (shard.tried if tried else shard.taken_at for shard in self.shards)
        return sorted(at for one in lists for at in one if since <= at < until)

    def missed(self) -> int:
        return sum(agent.loops[0].counters.failed for agent in self.agents)


def peak_rate(instants: Sequence[float], window: float = 1.0) -> float:
    """The most instants in any window of that many seconds, per second."""
    most, first = 0, 0
    for last, at in enumerate(instants):
        while instants[first] <= at - window:
            first += 1
        most = max(most, last - first + 1)
    return most / window


async def test_a_fleet_started_together_beats_at_once_and_then_spreads_out() -> None:
    fleet = Fleet()
    async with fleet.running():
        await anyio.sleep(60.0)
    assert len(fleet.instants(0.0, 0.001)) == AGENTS
    assert peak_rate(fleet.instants(0.001, 60.0)) <= 2 * MEAN_RATE
    reader = open_reader(fleet.store, 0, "c1")
    assert len((await reader.roster()).seated) == AGENTS
    sweep = await reader.sweep()
    assert sweep.complete
    assert sorted(sweep.beats.sequence.tolist()) == [7] * AGENTS
    assert not sweep.beats.missed.any()


@pytest.mark.parametrize("outage", [1.0, 30.0, 300.0])
async def test_a_hung_store_is_beaten_to_within_an_interval_of_its_return(outage: float) -> None:
    fleet = Fleet()
    async with fleet.running():
        await anyio.sleep(20.0)
        for shard in fleet.shards:
            shard.hang()
        await anyio.sleep(outage)
        back = anyio.current_time()
        for shard in fleet.shards:
            shard.recover()
        await anyio.sleep(3 * INTERVAL)
    assert peak_rate(fleet.instants(back, back + 3 * INTERVAL)) <= 2 * MEAN_RATE
    firsts = [min(at for at in shard.taken_at if at >= back) for shard in fleet.shards]
    assert max(firsts) - back <= INTERVAL
    # Nothing was queued: each agent beat once an interval, no more, since the store came back.
    assert max(sum(at >= back for at in shard.taken_at) for shard in fleet.shards) == 3


async def test_a_restarted_server_misses_no_beat_and_sees_no_herd() -> None:
    fleet = Fleet()
    away = 1.0
    async with fleet.running():
        await anyio.sleep(20.0)
        gone = anyio.current_time()
        for shard in fleet.shards:
            shard.refuse("connection refused")
        await anyio.sleep(away)
        back = anyio.current_time()
        for shard in fleet.shards:
            shard.recover()
        await anyio.sleep(2 * INTERVAL)
    assert fleet.missed() == 0
    assert peak_rate(fleet.instants(back, back + INTERVAL)) <= 3 * MEAN_RATE
    assert peak_rate(fleet.instants(back + INTERVAL, back + 2 * INTERVAL)) <= 2 * MEAN_RATE
    assert peak_rate(fleet.instants(gone, back, tried=True), window=0.1) <= 6 * MEAN_RATE


async def test_a_server_that_refuses_for_long_is_not_hammered() -> None:
    fleet = Fleet()
    async with fleet.running():
        await anyio.sleep(20.0)
        gone = anyio.current_time()
        for shard in fleet.shards:
            shard.refuse("connection refused")
        await anyio.sleep(120.0)
        back = anyio.current_time()
        for shard in fleet.shards:
            shard.recover()
        await anyio.sleep(2 * INTERVAL)
    calm = gone + 2 * INTERVAL
    tries = fleet.instants(calm, back, tried=True)
    assert len(tries) / (back - calm) == pytest.approx(MEAN_RATE, rel=0.1)
    assert peak_rate(tries) <= 2 * MEAN_RATE
    assert peak_rate(fleet.instants(back, back + 2 * INTERVAL)) <= 2 * MEAN_RATE


async def test_a_store_that_lost_everything_has_everyone_back_within_an_interval() -> None:
    fleet = Fleet()
    async with fleet.running():
        await anyio.sleep(25.0)
        named_table(fleet.name).flush_all()
        await anyio.sleep(INTERVAL)
        reader = open_reader(fleet.store, 0, "c1")
        assert len((await reader.roster()).seated) == AGENTS
        assert len((await reader.sweep()).beats.slot) == AGENTS
    assert fleet.missed() == 0


async def test_a_fleet_stopped_together_has_left() -> None:
    fleet = Fleet()
    async with fleet.running():
        await anyio.sleep(15.0)
    async with anyio.create_task_group() as farewells:
        for agent in fleet.agents:
            farewells.start_soon(agent.leave)
    reader = open_reader(fleet.store, 0, "c1")
    await reader.roster()
    statuses = (await reader.sweep()).beats.status.tolist()
    assert statuses == [Status.LEAVING] * AGENTS


async def test_one_process_beats_for_many_members_over_one_connection() -> None:
    store = memory_store("many-members")
    names = [f"host-{number:03}" for number in range(AGENTS)]
    shard = TroubledShard(store.writer(0))
    agent = Agent(
        store_of(shard), settings_of(*names, interval=INTERVAL), rng=Random(0), incarnation=1
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(agent.run)
        await anyio.sleep(25.0)
        shard.refuse("connection reset")
        await anyio.sleep(60.0)
        assert agent.summary == f"waiting for {shard.name}: connection reset"
        shard.recover()
        await anyio.sleep(INTERVAL)
        assert agent.summary == "beating to 1 of 1 shards"
        tasks.cancel_scope.cancel()
    assert peak_rate([at for at in shard.taken_at if at > 0.001]) <= 2 * MEAN_RATE
