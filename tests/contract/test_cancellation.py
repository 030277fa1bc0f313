"""A call that is cancelled at any await leaves nothing behind that the next one could trip over."""

import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.contract.cast import Agent, Coordinator, closing_all, hosts
from tests.contract.crowd import calls
from tests.contract.labs import Lab

MEMBERS = (
    6  # on each of three servers some; each round after a cancellation is one beat of every one
)


async def cancel_after(steps: int, call: Callable[[], Awaitable[object]]) -> bool:
    """Run ``call`` and cancel it after so many turns of the event loop; whether it had ended."""
    ended = False

    async def run_it() -> None:
        nonlocal ended
        await call()
        ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(run_it)
        for _ in range(steps):
            if not ended:
                await checkpoint()
        group.cancel_scope.cancel()
    return ended


@pytest.mark.parametrize("which", range(5))
async def test_cancelled_at_any_turn_of_the_loop(lab: Lab, which: int) -> None:
    """Cancelled earlier and later in its course, until it ends by itself."""
    store = lab.open()
    agent, coordinator = Agent(store, hosts(MEMBERS)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await agent.tick()
        await coordinator.look()
        ended = False
        for steps in later_and_later():
            if ended:
                break
            name, call = list(calls(agent, coordinator))[which]
            ended = await cancel_after(steps, call)
            await everything_is_right(lab, agent, coordinator, lost_canary=name == "write_canary")


def later_and_later() -> Iterator[int]:
    """Turns of the event loop: each of the first, and in the end as many as it takes.

    How often the loop turns while a server works depends on how busy both are.
    """
    yield from range(8)
    yield from range(8, 60, 8)
    yield from (60 << doublings for doublings in count())


async def test_cancelled_after_any_time(lab: Lab) -> None:
    """Any call, cancelled while bytes are on their way, with others going on beside it."""
    dice = random.Random(7)
    store = lab.open()
    agent, coordinator = Agent(store, hosts(MEMBERS)), Coordinator(store)
    async with closing_all(agent, coordinator):
        await agent.tick()
        await coordinator.look()
        for _ in range(60):
            which = dice.randrange(5)
            name, call = list(calls(agent, coordinator))[which]
            with anyio.move_on_after(dice.random() * 0.004):
                await call()
            if dice.random() < 0.3:
                await everything_is_right(
                    lab, agent, coordinator, lost_canary=name == "write_canary"
                )


async def everything_is_right(
    lab: Lab, agent: Agent, coordinator: Coordinator, *, lost_canary: bool
) -> None:
    """One clean round: every beat there, none foreign, nobody moved."""
    announcements = agent.announcements
    await agent.tick()
    assert agent.announcements == announcements or lab.asks_anew
    look = await coordinator.look()
    assert look.proven
    assert look.kept or lost_canary
    assert look.vacated == []
    assert look.beats == {
        member.name: (agent.incarnation, agent.sequence) for member in agent.members
    }
