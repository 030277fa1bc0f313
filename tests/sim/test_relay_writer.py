"""How an agent chooses among relays, in simulated time."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.beat import Beat
from musterd.errors import ConfigError, ShardRefused
from musterd.model import Member
from musterd.stores import open_store
from musterd.stores.relay import LOOK_AFTER, RelayWriter
from musterd_agent.agent import Agent
from musterd_coordinator.sweep.base import open_reader
from tests.agent_support import NAMESPACE, RecordingShard, agent_of, running, settings_of

NAMES = ("r1:11411", "r2:11411", "r3:11411")


class Way:
    """A connection to a relay: who was announced on it may beat."""

    def __init__(self, shard: RecordingShard) -> None:
        self.name = shard.name
        self._shard = shard
        self._announced: set[str] = set()

    async def announce(self, member: Member) -> None:
        await self._shard.announce(member)
        self._announced.add(member.name)

    async def beat(self, beat: Beat) -> bool:
        return bool(self._announced) and await self._shard.beat(beat)

    async def retire(self, member: Member) -> None:
        raise AssertionError("an agent never retires a member")

    async def renew(self) -> str:
        return ""

    async def aclose(self) -> None:
        self._announced.clear()


class Relay:
    """A relay that records what it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shard = RecordingShard(name)
        self.writer = Way(self.shard)

    async def abort(self) -> None:
        await self.writer.aclose()
        self.writer = Way(self.shard)


class Fleet:
    """Three relays, favourite first, and an agent of some members that beat every ten seconds."""

    def __init__(self, *members: str, seed: int = 0) -> None:
        relays = {name: Relay(name) for name in NAMES}
        self.writer = RelayWriter(list(relays.values()), NAMESPACE, Random(seed))  # type: ignore[arg-type]
        self.agent: Agent = agent_of(self.writer, settings=settings_of(*(members or ("h1",))))
        self._relays = relays

    @property
    def shards(self) -> list[RecordingShard]:
        return [self._relays[relay.name].shard for relay in self.writer._relays]

    @property
    def failed(self) -> int:
        return sum(loop.counters.failed for loop in self.agent.loops)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Sequence[RecordingShard]]:
        async with running(self.agent):
            await anyio.sleep(10.0)
            assert [len(shard.taken) for shard in self.shards] == [2, 0, 0]
            yield self.shards


async def test_members_spread_over_the_relays() -> None:
    favourites: Counter[str] = Counter()
    for number in range(300):
        fleet = Fleet(f"h{number}")
        async with running(fleet.agent):
            await anyio.sleep(1.0)
        favourites[fleet.shards[0].name] += len(fleet.shards[0].taken)
    assert all(70 <= favourites[name] <= 130 for name in NAMES)


@pytest.mark.parametrize("trouble", ["gone", "refuses"])
async def test_goes_on_at_the_next_relay_within_the_push(trouble: str) -> None:
    fleet = Fleet()
    with capture_logs() as logs:
        async with fleet.beating() as (first, second, _):
            if trouble == "gone":
                first.refuse("connection refused")
            else:
                first.fail(ShardRefused(first.name, "SERVER_ERROR db1: connection refused"))
            await anyio.sleep(30.0)
            assert len(second.taken) == 3
    assert fleet.failed == 0
    [line] = [log for log in logs if log["event"] == "relay changed"]
    assert (line["before"], line["relay"]) == (first.name, second.name)
    assert "connection refused" in line["reason"]


async def test_passes_over_two_relays_that_are_gone() -> None:
    fleet = Fleet()
    async with fleet.beating() as (first, second, third):
        first.refuse("connection refused")
        second.refuse("connection refused")
        await anyio.sleep(30.0)
        assert len(third.taken) == 3
    assert fleet.failed == 0


async def test_a_relay_that_hangs_costs_one_beat() -> None:
    fleet = Fleet()
    async with fleet.beating() as (first, second, _):
        first.hang()
        await anyio.sleep(30.0)
        assert len(second.taken) == 2
        assert second.taken[0].missed == 1
    assert fleet.failed == 1


async def test_comes_back_to_its_favourite_once_and_without_losing_a_beat() -> None:
    fleet = Fleet()
    async with fleet.beating() as (first, second, _):
        first.refuse("connection refused")
        await anyio.sleep(10.0)
        first.recover()
        await anyio.sleep(LOOK_AFTER - 20.0)
        assert len(first.taken) == 2
        await anyio.sleep(LOOK_AFTER + 30.0)
        taken = len(second.taken)
        await anyio.sleep(100.0)
        assert len(second.taken) == taken
        assert len(first.taken) > 12
    assert fleet.failed == 0


async def test_a_favourite_that_hangs_is_only_looked_at() -> None:
    fleet = Fleet()
    async with fleet.beating() as (first, second, _):
        first.hang()
        await anyio.sleep(1000.0)
        assert fleet.failed == 1
        assert len(second.taken) >= 98
        assert 8 <= len(first.tried) <= 25


async def test_a_favourite_that_fails_again_and_again_is_looked_at_less_and_less() -> None:
    """It takes announcements, but its database is lost."""
    fleet = Fleet()
    async with fleet.beating() as (first, _, _):

        async def trouble(call: str) -> None:
            if call == "beat":
                raise ShardRefused(first.name, "SERVER_ERROR db1: no answer")

        first.trouble = trouble
        await anyio.sleep(4 * 3600.0)
        assert fleet.failed == 0
        assert 10 < len(first.tried) < 60


async def test_agents_that_left_together_do_not_come_back_together() -> None:
    back: list[float] = []
    for seed in range(40):
        fleet = Fleet(seed=seed)
        async with fleet.beating() as (first, _, _):
            first.refuse("connection refused")
            await anyio.sleep(10.0)
            first.recover()
            await anyio.sleep(2 * LOOK_AFTER + 10.0)
            began = anyio.current_time() - 2 * LOOK_AFTER - 20.0
            back.append(first.taken_at[2] - began)
    assert max(back) - min(back) > LOOK_AFTER / 2
    assert len({round(at) for at in back}) >= 5


async def test_members_of_one_process_move_together() -> None:
    fleet = Fleet("h1", "h2", "h3")
    async with running(fleet.agent):
        await anyio.sleep(15.0)
        first, second, third = fleet.shards
        assert (len(second.taken), len(third.taken)) == (0, 0)
        first.refuse("connection refused")
        await anyio.sleep(30.0)
        assert len(second.taken) == 9
        assert third.taken == []
    assert fleet.failed == 0


async def test_all_relays_refuse_and_the_reason_is_told() -> None:
    fleet = Fleet()
    async with fleet.beating() as shards:
        for shard in shards:
            shard.fail(ShardRefused(shard.name, "SERVER_ERROR db1: disk full"))
        await anyio.sleep(40.0)
        assert fleet.failed == 4
        assert "SERVER_ERROR db1: disk full" in fleet.agent.summary
        for shard in shards:
            shard.recover()
        await anyio.sleep(10.0)
    assert fleet.failed == 4


def test_its_url() -> None:
    store = open_store("relay://R1,[::1]:7", namespace="n", timeout=1.0, beat_ttl=600)
    assert store.url == "relay://r1:11411,[::1]:7"
    assert store.shard_names == ("r1:11411,[::1]:7",)
    with pytest.raises(ConfigError, match="has options; a relay takes none"):
        open_store("relay://r1?replicas=2", namespace="n", timeout=1.0, beat_ttl=600)
    with pytest.raises(ConfigError, match="names r1:11411 twice"):
        open_store("relay://r1,r1", namespace="n", timeout=1.0, beat_ttl=600)
    with pytest.raises(ConfigError, match="give a coordinator the postgresql:// or mysql:// URL"):
        open_reader(store, 0, "c1")
