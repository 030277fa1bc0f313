"""The watchdog is fed by loops that move, whatever their store does, and by nothing else."""

import anyio

from musterd.systemd import Systemd
from musterd_agent.main import feed_watchdog
from tests.agent_support import RecordingShard, agent_of, settings_of


class ListeningSystemd(Systemd):
    """Keeps when it was told that all is well."""

    def __init__(self, watchdog: float | None) -> None:
        super().__init__(watchdog=watchdog)
        self.fed: list[float] = []

    def notify(self, **words: str) -> None:
        assert words == {"WATCHDOG": "1"}
        self.fed.append(anyio.current_time())


async def test_a_hung_store_does_not_starve_the_watchdog() -> None:
    shard, systemd = RecordingShard(), ListeningSystemd(watchdog=4.0)
    shard.hang()
    agent = agent_of(shard, settings=settings_of("h1", "h2"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(agent.run)
        tasks.start_soon(feed_watchdog, systemd, agent)
        await anyio.sleep(101.0)
        tasks.cancel_scope.cancel()
    assert systemd.fed == [2.0 * turn for turn in range(51)]


async def test_loops_that_no_longer_move_do() -> None:
    systemd = ListeningSystemd(watchdog=4.0)
    agent = agent_of(RecordingShard(), settings=settings_of("h1"))
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(50.0):
            tasks.start_soon(feed_watchdog, systemd, agent)
            await agent.run()
        await anyio.sleep(1000.0)
        tasks.cancel_scope.cancel()
    # Its next tick was within an interval, a push may take 5 seconds, and half the time is spare.
    assert 50.0 < systemd.fed[-1] <= 50.0 + 10.0 + 5.0 + 2.0


async def test_nobody_is_fed_who_did_not_ask() -> None:
    systemd = ListeningSystemd(watchdog=None)
    await feed_watchdog(systemd, agent_of(RecordingShard(), settings=settings_of("h1")))
    assert systemd.fed == []
