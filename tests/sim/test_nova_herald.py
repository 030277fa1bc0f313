"""A door beats for services of its host, when they write to it, and only then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from musterd.beat import Beat
from musterd.errors import ConfigError, ShardUnavailable
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.settings.sources import load
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd_coordinator.nova.herald import Herald, services_here
from musterd_coordinator.nova.values import key_of

CONDUCTOR, SCHEDULER = (key_of(topic, "ctl1") for topic in ("conductor", "scheduler"))
MEMBERS = {
    CONDUCTOR: Member("conductor", "ctl1"),
    SCHEDULER: Member("scheduler", "ctl1"),
}
TIMEOUT = 5.0


class Shard:
    """A shard that notes what it is told, and forgets, fails or hangs when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[str] = []
        self.forgetful = self.failing = False
        self.takes = 0.0
        self._members: dict[int, str] = {}

    async def announce(self, member: Member) -> None:
        await self._trouble()
        self.told.append(f"announce {member}")

    async def beat(self, beat: Beat) -> bool:
        await self._trouble()
        if self.forgetful:
            self.forgetful = False
            return False
        self.told.append(f"beat {beat.sequence}")
        return True

    async def retire(self, member: Member) -> None: ...

    async def renew(self) -> str:
        return ""

    async def aclose(self) -> None: ...

    async def _trouble(self) -> None:
        await anyio.sleep(self.takes)
        if self.failing:
            raise ShardUnavailable(self.name, "connection refused")


class Shards:
    """A driver of two such shards."""

    def __init__(self) -> None:
        self.shards = [Shard("a"), Shard("b")]

    def writer(self, shard: int) -> ShardWriter:
        return self.shards[shard]


@asynccontextmanager
async def heralding(driver: Shards) -> AsyncIterator[Herald]:
    store = Store("test:", ("a", "b"), 2, Guarantees.NONE, driver)
    herald = Herald(store, MEMBERS, namespace="n", interval=10.0, timeout=TIMEOUT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(herald.run)
        yield herald
        tasks.cancel_scope.cancel()


async def test_each_write_is_a_beat_to_every_shard() -> None:
    driver = Shards()
    async with heralding(driver) as herald:
        await anyio.sleep(60)
        assert [shard.told for shard in driver.shards] == [[], []]
        for _ in range(3):
            herald.hear(CONDUCTOR)
            herald.hear(key_of("compute", "h1"))
            await anyio.sleep(10)
    wanted = ["announce conductor/ctl1", "beat 1", "beat 2", "beat 3"]
    assert [shard.told for shard in driver.shards] == [wanted, wanted]


async def test_a_shard_that_lost_the_service_is_told_of_it_again() -> None:
    driver = Shards()
    async with heralding(driver) as herald:
        herald.hear(SCHEDULER)
        await anyio.sleep(10)
        driver.shards[0].forgetful = True
        herald.hear(SCHEDULER)
        await anyio.sleep(10)
    assert driver.shards[0].told[2:] == ["announce scheduler/ctl1", "beat 2"]
    assert driver.shards[1].told[2:] == ["beat 2"]


async def test_a_shard_that_fails_or_hangs_holds_up_nobody() -> None:
    driver = Shards()
    bad, good = driver.shards
    async with heralding(driver) as herald:
        bad.failing = True
        herald.hear(CONDUCTOR)
        await anyio.sleep(10)
        bad.failing, bad.takes = False, 3600.0
        for _ in range(2):
            herald.hear(CONDUCTOR)
            await anyio.sleep(10)
        bad.takes = 0.0
        herald.hear(CONDUCTOR)
        await anyio.sleep(10)
    assert good.told[1:] == ["beat 1", "beat 2", "beat 3", "beat 4"]
    assert bad.told == ["announce conductor/ctl1", "beat 4"]


async def test_beats_never_queue() -> None:
    driver = Shards()
    for shard in driver.shards:
        shard.takes = 2.0
    async with heralding(driver) as herald:
        for _ in range(40):
            herald.hear(CONDUCTOR)
            await anyio.sleep(0.1)
        await anyio.sleep(10)
    assert driver.shards[0].told == ["announce conductor/ctl1", "beat 1"]


def settings_of(**given: str) -> Settings:
    return load(given, {}).settings


def test_services_are_those_of_groups_and_of_this_host() -> None:
    settings = settings_of(
        nova_groups="compute,controllers=conductor", nova_beat_for="controllers", member="ctl1"
    )
    found = services_here(settings)
    assert found[key_of("conductor", "ctl1")] == Member("controllers", "ctl1")
    assert {member.group for member in found.values()} == {"controllers"}
    assert services_here(settings_of()) == {}


def test_a_group_without_a_topic_is_refused() -> None:
    with pytest.raises(ConfigError, match="names conductor, of which no door knows the topic"):
        settings_of(nova_beat_for="conductor")
