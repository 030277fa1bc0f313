"""The module lets two fleets beat in turns, one of which signs: see :mod:`benchmarks.signed`."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from statistics import median

import anyio
import anyio.to_thread

from benchmarks.coordinators import all_saved, all_up, coordinator, start
from benchmarks.figures import progress
from benchmarks.fleet import Fill, Fleet, beating
from benchmarks.prepared import Sent, prepare, sending
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.signing_fleet import SigningFill, SigningFleet
from benchmarks.stores import Server
from musterd.keys import fleet_key_text
from musterd.model import State
from musterd.status import StatusAnswer
from musterd.testing.daemons import Coordinator

PLAIN, SIGNED = "unsigned", "signed"
POLL = 1.0
_OF_SIGNATURES = ("mac", "stale", "unsigned")


@dataclass(frozen=True, slots=True)
class Plan:
    """A `Plan` says how many ``members`` beat how often, and how often and how long it is measured.

    Durations are seconds.
    """

    members: int
    interval: float
    sweep_period: float
    turns: int
    steady: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A `Turn` is what a coordinator cost while its fleet beat, and what it made of it.

    ``cores`` are of its whole process, ``sender`` those of the fleet's and ``store`` the store's.
    ``sweep`` is the median of its sweeps in seconds, ``sweeps`` and ``beats`` those of one second,
    ``behind`` the seconds by which the latest beats were late, ``resident`` bytes. ``down`` is the
    most members that were down or left at any look: whoever is stays so for a sweep, which no look is
    late for. ``suspect`` is the most that were: in a random order, two beats of one member are up to
    two intervals apart.
    ``refused`` are the records whose signatures were not good.
    """

    cores: float
    sender: float
    store: float
    sweep: float
    sweeps: float
    beats: float
    behind: float
    resident: int
    down: int
    suspect: int
    refused: int
    signatures: str


Turns = Mapping[str, list[Turn]]


class Side:
    """A `Side` is one of the two: a store, a fleet, and the coordinator that watches it."""

    def __init__(
        self, fleet: Fleet, fill: Fill, store: int, process: Coordinator, plan: Plan
    ) -> None:
        self._fleet, self._fill, self._store = fleet, fill, store
        self._process, self._plan = process, plan

    async def begin(self) -> None:
        """Start the coordinator, have it see all members, and freeze it."""
        await self._fill.fill()
        async with beating(self._fleet, self._fill, self._plan.interval):
            await start(self._process)
            await all_up(self._process, self._plan.members)
            await all_saved(self._process)
        self._process.pause()

    async def turn(self) -> Turn:
        """Let the fleet beat and the coordinator run; return what that cost when all have beaten."""
        plan = self._plan
        lasting = plan.interval + plan.steady
        beats = await prepare(self._fleet, self._fill, plan.interval, lasting)
        self._process.resume()
        async with sending(beats) as sent:
            await anyio.sleep(plan.interval)
            turn = await self._measured(sent)
        self._process.pause()
        return turn

    async def aclose(self) -> None:
        """Close the fleet's connections."""
        await self._fill.aclose()

    async def _measured(self, sent: Sent) -> Turn:
        pid, first, beats = self._process.pid, await self._status(), sent.beats
        sent.behind, seen = 0.0, [first]
        cpu, began = self._cpu(), anyio.current_time()
        until = began + self._plan.steady
        while (left := until - anyio.current_time()) > 0:
            await anyio.sleep(min(POLL, left))
            seen.append(await self._status())
        took = anyio.current_time() - began
        cores, sender, store = (
            (now - before) / took for now, before in zip(self._cpu(), cpu, strict=True)
        )
        last = seen[-1]
        return Turn(
            *(cores, sender, store),
            median(status.shards[0].sweep_seconds or 0.0 for status in seen),
            (last.shards[0].sweeps - first.shards[0].sweeps) / took,
            (sent.beats - beats) / took,
            sent.behind,
            resident_bytes(pid),
            max(_in(status, State.DOWN) + _in(status, State.LEFT) for status in seen),
            max(_in(status, State.SUSPECT) for status in seen),
            sum(_refused(last, kind) - _refused(first, kind) for kind in _OF_SIGNATURES),
            last.signatures,
        )

    def _cpu(self) -> tuple[float, float, float]:
        """Return the CPU seconds so far of the coordinator, of this process, and of the store."""
        return cpu_seconds(self._process.pid), time.process_time(), cpu_seconds(self._store)

    async def _status(self) -> StatusAnswer:
        return await anyio.to_thread.run_sync(self._process.client.status)


async def measure(servers: Sequence[Server], plan: Plan) -> Turns:
    """Return what each turn cost, of the unsigned fleet and of the one that signs."""
    async with AsyncExitStack() as stack:
        plain, signing = await _sides(servers, plan, stack)
        turns: dict[str, list[Turn]] = {PLAIN: [], SIGNED: []}
        for _ in progress(range(plan.turns), "beating", "turn"):
            turns[PLAIN].append(await plain.turn())
            turns[SIGNED].append(await signing.turn())
    return turns


async def _sides(servers: Sequence[Server], plan: Plan, stack: AsyncExitStack) -> list[Side]:
    fleet = SigningFleet(plan.members, plan.interval)
    fleets = Fleet(plan.members, plan.interval), fleet
    fills = servers[0].fill(fleets[0]), SigningFill(servers[1].fill(fleet), fleet)
    sides = []
    for server, each, fill in zip(servers, fleets, fills, strict=True):
        process = stack.enter_context(closing(coordinator(server.url_to_watch, plan.sweep_period)))
        if each is fleet:
            _give_key(process, fleet.fleet_key)
        sides.append(Side(each, fill, server.pid, process, plan))
        stack.push_async_callback(sides[-1].aclose)
        await sides[-1].begin()
    return sides


def _give_key(process: Coordinator, key: bytes) -> None:
    file = process.directory / "fleet.key"
    file.touch(0o600)
    file.write_text(fleet_key_text(key))
    process.settings["fleet_key_file"] = str(file)


def _in(status: StatusAnswer, state: State) -> int:
    return status.states.get(state, 0)


def _refused(status: StatusAnswer, kind: str) -> int:
    return sum(shard.rejected.get(kind, 0) for shard in status.shards)
