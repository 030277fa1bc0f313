"""Whatever is given up or closed at whatever step, no connection stays open: it would be for good."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd.errors import StoreError
from musterd.testing.busy import in_time
from tests.contract.cast import Agent, Coordinator, hosts
from tests.contract.conftest import LOCKED
from tests.contract.labs import Lab
from tests.contract.relay_lab import RelayLab
from tests.http_serving import until
from tests.stepping import Steps, Strike, When, connections_to

STORES = ("memcached", LOCKED, "postgresql", "mariadb", "relay")

CONNECTS_IN = 12
"""Steps, and more, that it takes to connect and then wait for a server's first word."""

TURNS = 30  # of the event loop: more than these steps take

Actor = Agent | Coordinator
Deed = Callable[[], Awaitable[object]]


def beats_of_one(lab: Lab) -> tuple[Actor, Deed]:
    """A member's first beats, and a new connection, as its agent makes one now and then."""
    agent = Agent(lab.open(), hosts(1))

    async def beat() -> None:
        await agent.tick()
        for writer in agent.writers:
            await writer.renew()

    return agent, beat


def beats_of_some(lab: Lab) -> tuple[Actor, Deed]:
    """First beats of three members at once."""
    agent = Agent(lab.open(), hosts(3))

    async def beat() -> None:
        async with anyio.create_task_group() as tasks:
            for member in agent.members:
                [shard] = agent.store.place(agent.identity(member))
                tasks.start_soon(agent.push, shard, member)

    return agent, beat


def looks(lab: Lab) -> tuple[Actor, Deed]:
    """A coordinator's first look, and a canary over the new connection that it then makes."""
    coordinator = Coordinator(lab.open())

    async def look() -> None:
        await coordinator.look()
        for reader in coordinator.readers:
            await reader.renew()
            await reader.write_canary(coordinator.canary())

    return coordinator, look


def ports_of(lab: Lab) -> set[int]:
    """Where it connects to; a relay under test has connections to the database, too."""
    if isinstance(lab, RelayLab):
        return {lab.relay.server.port}
    return {server.port for server in lab.servers}


def close_soon(actor: Actor) -> "asyncio.Task[None]":
    """Have its owner close its connections."""
    return asyncio.get_running_loop().create_task(actor.aclose())


async def struck(actor: Actor, deed: Deed, at: int, when: When, how: str) -> bool:
    """Do it, and stop it at that step, if there is one; whether there was.

    It is cancelled by a scope of anyio's, or by asyncio itself, or its owner closes its connections.
    """
    scope, loop = anyio.CancelScope(), asyncio.get_running_loop()

    async def do() -> None:
        with scope:
            try:
                await deed()
            except* StoreError:
                pass

    strikes: dict[str, Strike] = {
        "scope": scope.cancel,
        "asyncio": lambda: task.cancel(),
        "closed": partial(close_soon, actor),
    }
    steps = Steps(at, when, strikes[how])
    with steps.counting():
        task = loop.create_task(do())
        with in_time(10):
            await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None, f"step {at}, {when.value}"
    return steps.struck


STAGES = [
    *((store, stage) for store in STORES for stage in (beats_of_one, beats_of_some)),
    ("memcached", looks),  # the readers of databases connect as their writers do
    (LOCKED, looks),
]


@pytest.mark.parametrize(("store_kind", "stage"), STAGES, indirect=["store_kind"])
@pytest.mark.parametrize("how", ["scope", "asyncio", "closed"])
async def test_no_connection_stays_open(
    lab: Lab, stage: Callable[[Lab], tuple[Actor, Deed]], how: str
) -> None:
    for when in When:
        for at in count(1):
            actor, deed = stage(lab)
            was_struck = await struck(actor, deed, at, when, how)
            if not was_struck or how != "closed":
                await actor.aclose()
            await until(lambda: not connections_to(ports_of(lab)))
            if not was_struck:
                break


@pytest.mark.parametrize("store_kind", [s for s in STORES if s != "relay"], indirect=True)
async def test_a_server_that_hangs_keeps_no_connection_that_is_given_up(lab: Lab) -> None:
    """Before its first word, where a driver that swallows a cancellation would wait for it."""
    for when in When:
        for at in range(1, CONNECTS_IN):
            actor, deed = beats_of_one(lab)
            lab.pause()
            steps = Steps(at, when, partial(close_soon, actor))
            with steps.counting():
                task = asyncio.ensure_future(deed())
                for _ in range(TURNS):
                    await checkpoint()
            await actor.aclose()
            with pytest.raises(StoreError):
                await task
            await until(lambda: not connections_to(ports_of(lab)))
            lab.resume()


@pytest.mark.parametrize("store_kind", [s for s in STORES if s != "relay"], indirect=True)
async def test_a_server_that_begins_to_hang_as_it_is_given_up_keeps_no_connection(lab: Lab) -> None:
    """After a handshake, say, which would wait half a minute for its goodbye."""
    for at in count(1):
        actor, deed = beats_of_one(lab)
        was_struck = await hung(lab, deed, at)
        await actor.aclose()
        await until(lambda: not connections_to(ports_of(lab)), within=1.0)
        lab.resume()
        if not was_struck:
            break


async def hung(lab: Lab, deed: Deed, at: int) -> bool:
    """Do it; at that step, if there is one, the servers hang and it is cancelled; whether there was."""

    def hang() -> None:
        lab.pause()
        task.cancel()

    steps = Steps(at, When.ANSWERED, hang)
    with steps.counting():
        task = asyncio.ensure_future(deed())
        await asyncio.wait([task])
    return steps.struck
