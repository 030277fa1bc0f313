"""The module measures one size of a fleet: see :mod:`benchmarks.growth`."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import anyio
import anyio.to_thread

from benchmarks.bulk import TIMEOUT
from benchmarks.coordinators import all_saved, all_up, coordinator, start
from benchmarks.fleet import NAMESPACE, Fill, Fleet, beat_at_once, beating
from benchmarks.processes import cpu_seconds, memory_bytes, resident_bytes
from benchmarks.stores import Server
from benchmarks.sweep_clients import Product
from benchmarks.sweep_detector import Judge
from musterd.model import State
from musterd.testing.daemons import Coordinator
from musterd_coordinator.registry.base import open_registry


@dataclass(frozen=True, slots=True)
class Plan:
    """A `Plan` says for how long and how often each size is measured.

    ``interval`` is the seconds between beats, ``repeats`` the measured sweeps, and ``steady`` the
    seconds in which a coordinator comes to rest.
    """

    interval: float
    repeats: int
    steady: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A `Cost` is one thing that costs; what does not grow has a floor or is a member's share."""

    name: str
    unit: str
    grows: bool = True


SWEEP = Cost("sweep", "ms")
CLIENT = Cost("client CPU of a sweep", "ms")
DETECTOR = Cost("judging a sweep", "ms")
ROSTER = Cost("first reading of the roster", "s")
STEADY = Cost("coordinator CPU", "cores")
MEMORY = Cost("coordinator memory above an empty one", "MB")
EACH = Cost("coordinator memory per member", "B", grows=False)
STORED = Cost("server memory above an empty one", "MB")
KNOWN = Cost("start until ready, members known", "s")
UNKNOWN = Cost("start until ready, members unknown", "s", grows=False)  # until all have beaten
Costs = dict[Cost, Sequence[float]]
"""The values of every run; what is done once has one."""


async def measure_empty(server: Server, steady: float) -> float:
    """Return the memory of a coordinator that watches no member, in bytes."""
    with closing(coordinator(server.url_to_watch)) as process:
        await start(process)
        await anyio.sleep(steady)
        return resident_bytes(process.pid)


async def measure(server: Server, members: int, empty: float, plan: Plan) -> Costs:
    """Return all costs of a fleet of this size; ``empty`` is what :func:`measure_empty` gave."""
    before = memory_bytes(server.pid)
    fleet = Fleet(members, plan.interval)
    fill = server.fill(fleet)
    await fill.fill()
    costs = await _swept(server, fleet, fill, plan.repeats)
    costs |= await _watched(server, fleet, fill, empty, plan)
    await fill.aclose()
    return costs | {STORED: [(memory_bytes(server.pid) - before) / 1e6]}


async def _swept(server: Server, fleet: Fleet, fill: Fill, repeats: int) -> Costs:
    product, judge = Product(server.url, fleet), Judge(len(fleet))
    roster = await product.begin()
    judge.begin(product.beats)
    sweeps, verdicts = [], []
    for _ in range(repeats):
        await beat_at_once(fleet, fill)
        sweeps.append(await product.sweep())
        verdicts.append(judge.sweep(product.beats))
    await product.aclose()
    return {
        SWEEP: [1e3 * sweep.seconds for sweep in sweeps],
        CLIENT: [1e3 * sweep.cpu for sweep in sweeps],
        DETECTOR: [1e3 * sum(verdict) for verdict in verdicts],
        ROSTER: [roster],
    }


async def _watched(server: Server, fleet: Fleet, fill: Fill, empty: float, plan: Plan) -> Costs:
    """Return the costs of a coordinator that knows no member, and of the same one started again."""
    members = len(fleet)
    with closing(coordinator(server.url_to_watch)) as process:
        async with beating(fleet, fill, plan.interval):
            unknown = await start(process)
        await beat_at_once(fleet, fill)
        async with beating(fleet, fill, plan.interval):
            await all_up(process, members)
            cores = await _at_rest(process, plan.steady)
            memory = resident_bytes(process.pid)
            await anyio.to_thread.run_sync(process.stop)
            if (saved := await _saved_as_up(server, process)) != members:
                raise RuntimeError(f"the registry knows {saved} of {members} members as up")
            known = await start(process)
            memory = max(memory, resident_bytes(process.pid))
    return {
        STEADY: [cores],
        MEMORY: [(memory - empty) / 1e6],
        EACH: [(memory - empty) / members],
        KNOWN: [known],
        UNKNOWN: [unknown],
    }


async def _at_rest(process: Coordinator, steady: float) -> float:
    """Return the cores that it uses once it has written down all that it learnt at first."""
    await all_saved(process)
    before = cpu_seconds(process.pid)
    await anyio.sleep(steady)
    return (cpu_seconds(process.pid) - before) / steady


async def _saved_as_up(server: Server, process: Coordinator) -> int:
    own = f"sqlite:///{process.directory}/musterd.db"
    url = server.url if server.url.startswith("postgresql") else own
    registry = open_registry(url, namespace=NAMESPACE, timeout=TIMEOUT)
    await registry.open()
    portions = [portion async for portion in registry.load()]
    await registry.aclose()
    return sum(entry.state is State.UP for portion in portions for entry in portion)
