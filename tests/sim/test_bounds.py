"""One call at a time, each within its time, whoever else wants it or gives up."""

import asyncio

import anyio
import pytest

from musterd.errors import ShardUnavailable
from musterd.stores.bounds import Deadline, Mutex, Pool, acquire_in_time

pytestmark = pytest.mark.anyio


async def test_a_turn_is_one_callers_at_a_time_and_goes_to_who_waits_longest() -> None:
    turn, said = Mutex(), list[str]()

    async def speak(name: str) -> None:
        async with turn:
            said.append(f"{name} in")
            await anyio.sleep(1)
            said.append(f"{name} out")

    async with anyio.create_task_group() as tasks:
        for number, name in enumerate("abc"):
            await anyio.sleep(number * 0.1)
            tasks.start_soon(speak, name)
    assert said == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_what_came_to_one_who_is_cancelled_in_that_moment_goes_to_the_next() -> None:
    async def main() -> str:  # natively asyncio's: anyio itself never cancels so late
        pool = Pool(["the one"])
        thing = await pool.acquire()
        impatient, patient = (asyncio.ensure_future(pool.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        pool.release(thing)
        impatient.cancel()
        return await asyncio.wait_for(patient, 5.0)

    assert asyncio.run(main()) == "the one"


async def test_who_gives_up_waiting_is_passed_over() -> None:
    pool = Pool(["the one"])
    thing = await pool.acquire()
    assert pool.is_empty
    with anyio.move_on_after(1):
        await pool.acquire()
    pool.release(thing)
    assert await pool.acquire() == thing


async def test_who_waited_too_long_begins_nothing_and_the_next_is_served() -> None:
    pool = Pool(["the one"])
    thing = await pool.acquire()
    served = list[str]()

    async def ask(name: str, within: float) -> None:
        with anyio.move_on_after(within):
            await acquire_in_time(pool)
            served.append(name)

    async with anyio.create_task_group() as tasks:
        for name, within in (("late", 10), ("in time", 12)):
            await anyio.sleep(0.01)
            tasks.start_soon(ask, name, within)
        await anyio.sleep(9)
        pool.release(thing)
    assert served == ["in time"]
    assert await acquire_in_time(Pool(["free"])) == "free"


async def test_a_deadline_says_which_shard_did_not_answer() -> None:
    began = anyio.current_time()
    with (
        anyio.fail_after(60),
        pytest.raises(ShardUnavailable, match="no answer within 2 s") as caught,
        Deadline("mc1:11211", 2.0),
    ):
        await anyio.sleep_forever()
    assert caught.value.shard == "mc1:11211"
    assert anyio.current_time() - began == pytest.approx(2.0)


async def test_a_callers_own_shorter_deadline_is_the_callers_to_explain() -> None:
    with anyio.move_on_after(1) as scope, Deadline("mc1:11211", 2.0):
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_timeout_of_the_network_within_the_deadline_is_told_as_one() -> None:
    with pytest.raises(ShardUnavailable), Deadline("mc1:11211", 2.0):
        raise TimeoutError


async def test_nothing_else_is_caught() -> None:
    with pytest.raises(KeyError), Deadline("mc1:11211", 2.0):
        raise KeyError("ours")
