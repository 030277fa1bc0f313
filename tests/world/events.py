"""What befalls a world, how it heals, and what must hold in the end."""

from random import Random
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from tests.world.lives import GONE
from tests.world.options import Fault, Trouble

if TYPE_CHECKING:
    from tests.world.world import World

FOR_GOOD = 1e9


async def befall(world: "World", tasks: TaskGroup) -> None:
    """Let each fault come in its time, until their time is over."""
    rng = Random(f"faults {world.options.seed}")
    for fault in world.options.faults:
        await anyio.sleep_until(fault.at)
        world.note(f"fault: {fault.kind}, {fault.target}, {fault.lasts:.3f} s")
        _strike(world, fault, rng, tasks)
    await anyio.sleep_until(world.options.duration)


def _strike(world: "World", fault: Fault, rng: Random, tasks: TaskGroup) -> None:
    until = anyio.current_time() + fault.lasts
    if fault.kind in (Trouble.HANG, Trouble.REFUSE, Trouble.SLOW, Trouble.FLUSH):
        _strike_store(world, fault, until)
    elif fault.kind in (Trouble.CUT, Trouble.KILL, Trouble.LEAVE):
        _strike_agent(world, fault, until, rng)
    else:
        _strike_coordinator(world, fault, until, rng, tasks)


def _strike_store(world: "World", fault: Fault, until: float) -> None:
    server = world.servers[fault.target]
    match fault.kind:
        case Trouble.HANG:
            server.hung_until = until
        case Trouble.REFUSE:
            server.refuses_until = until
        case Trouble.SLOW:
            server.slow_until = until
        case _:
            server.empty()


def _strike_agent(world: "World", fault: Fault, until: float, rng: Random) -> None:
    host = world.agents[fault.target]
    if fault.kind is Trouble.CUT:
        host.road.cut_until = until
        host.life.close(anyio.current_time(), until)
        return
    away = FOR_GOOD if rng.random() < 0.3 else fault.lasts
    host.end(away, leaves=fault.kind is Trouble.LEAVE)


def _strike_coordinator(
    world: "World", fault: Fault, until: float, rng: Random, tasks: TaskGroup
) -> None:
    host = world.coordinators[fault.target]
    match fault.kind:
        case Trouble.CRASH | Trouble.RESTART:
            host.end(fault.lasts, crashes=fault.kind is Trouble.CRASH)
        case Trouble.DEAF:
            host.road.cut_until = until
        case Trouble.DISK:
            host.disk.refuses_until = until
        case Trouble.STEP:
            step = rng.choice((-1e8, -3600.0, -5.0, 5.0, 3600.0, 1e8))
            rng.choice([each.clock for each in world.agents]).offset += step
            if host.current is not None:
                host.current.wall.offset += step
        case _:
            name, disabled = rng.choice(list(world.lives)), rng.random() < 0.5

            async def order() -> None:
                await host.order(name, disabled=disabled)

            tasks.start_soon(order)


def heal(world: "World") -> None:
    """Let everything work from now on; who is dead for good stays so."""
    world.note("all works from now on")
    for server in world.servers:
        server.hung_until = server.refuses_until = server.slow_until = 0.0
    for host in world.agents:
        host.road.cut_until = host.road.loss = 0.0
    for coordinator in world.coordinators:
        coordinator.road.cut_until = coordinator.road.loss = coordinator.disk.refuses_until = 0.0


async def judge_end(world: "World") -> None:
    """Judge that everybody knows the truth, and that the history is whole."""
    for coordinator in world.coordinators:
        app = coordinator.serving
        answer = None if app is None else await coordinator.verdicts(app)
        if app is None or answer is None:
            world.judge.breaks(f"c{coordinator.number} does not answer in the end")
            continue
        for name, life in world.lives.items():
            if name not in answer.members:
                if life.taken:
                    world.judge.breaks(f"c{coordinator.number} does not know {name} in the end")
                continue
            state = answer.members[name].state.value
            if (state in GONE) is life.alive or (life.alive and state != "up"):
                truth = "alive" if life.alive else "dead"
                world.judge.breaks(
                    f"c{coordinator.number} says {state} of {name}, which is {truth}"
                )
            replica = coordinator.view.members.get(name)
            if replica != answer.members[name]:
                world.judge.breaks(f"r{coordinator.number} says {replica} of {name} in the end")
        await coordinator.check_history(app)
