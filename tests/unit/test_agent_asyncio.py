"""What only asyncio does to the beat loop: leaked cancellations, a blocked loop, native cancels."""

import asyncio
import time
from math import floor

import anyio
import anyio.lowlevel
import pytest

from musterd.beat import member_id
from musterd.testing.busy import in_time
from musterd_agent.beating import phase_of
from tests.agent_support import NAMESPACE, RecordingShard, agent_of, running, settings_of


async def test_a_cancellation_that_a_driver_leaks_is_a_failed_push() -> None:
    shard = RecordingShard()

    async def leaking(_call: str) -> None:
        if len(shard.tried) <= 3:
            abandoned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            abandoned.cancel()
            await abandoned

    shard.trouble = leaking
    agent = agent_of(shard, settings=settings_of("h1", interval=0.05))
    async with running(agent):
        await shard.until(lambda: len(shard.taken) == 3)
    assert agent.loops[0].counters.failed == 3
    assert shard.taken[0].missed == 3


async def test_a_driver_that_turns_our_deadline_into_an_error_of_its_own_is_counted() -> None:
    shard = RecordingShard()

    async def converting(_call: str) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            raise [OSError("closed"), asyncio.CancelledError()][len(shard.tried) % 2] from None

    shard.trouble = converting
    agent = agent_of(shard, settings=settings_of("h1", interval=0.05, push_timeout=0.02))
    async with running(agent):
        await shard.until(lambda: len(shard.tried) == 5)
        assert agent.loops[0].counters.failed == 4
        assert agent.summary == "waiting for shard:1: no answer within 0.02 s"
        shard.recover()
        await shard.until(lambda: len(shard.taken) == 2)
    assert agent.summary == "beating to 1 of 1 shards"


async def test_a_blocked_loop_is_reported_and_not_made_up_for() -> None:
    shard = RecordingShard()
    interval = 0.1
    async with running(agent_of(shard, settings=settings_of("h1", interval=interval))):
        await shard.until(lambda: len(shard.taken) == 2)
        time.sleep(5 * interval)  # noqa: ASYNC251  # the fault under test
        await shard.until(lambda: len(shard.taken) == 4)
    assert shard.taken[2].lag_ms >= 4 * interval * 1000 - 20
    # One late beat, and the next in its own time; five would have been missed.
    assert [beat.sequence for beat in shard.taken] == [1, 2, 3, 4]
    assert slot_of(shard.taken_at[3], interval) - slot_of(shard.taken_at[2], interval) >= 1


def slot_of(instant: float, interval: float) -> int:
    """Which interval of the member h1 an instant is in."""
    return floor((instant - phase_of(member_id(NAMESPACE, "compute", "h1"), interval)) / interval)


async def test_a_native_cancel_ends_the_agent() -> None:
    shard = RecordingShard()
    task = asyncio.ensure_future(agent_of(shard, settings=settings_of("h1", interval=0.05)).run())
    await shard.until(lambda: len(shard.taken) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    taken = len(shard.taken)
    await anyio.sleep(0.12)
    assert len(shard.taken) == taken


async def test_a_native_cancel_of_every_task_ends_the_agent_in_the_midst_of_a_push() -> None:
    shard = RecordingShard()
    shard.hang()
    before = asyncio.all_tasks()
    agent = asyncio.ensure_future(agent_of(shard, settings=settings_of("h1")).run())
    await shard.until(lambda: len(shard.tried) == 1)
    for task in asyncio.all_tasks() - before:  # as asyncio.run() does at its end
        task.cancel()
    with in_time(5.0), pytest.raises(asyncio.CancelledError):
        await agent
    assert asyncio.all_tasks() == before
    assert len(shard.tried) == 1
