"""These clients read all beats of a store: musterd's own reader, and those it is held against.

Each ``sweep()`` reads every beat once and returns the :class:`Cost` of that. A client that brings
fewer than all of them, or old ones, fails: a fast sweep that misses something is none.
"""

import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, Self

import aiomcache
import anyio
import asyncpg
import numpy as np

from benchmarks.bulk import TIMEOUT
from benchmarks.fleet import NAMESPACE, TTL, Fleet
from musterd.beat import Beat, new_incarnation
from musterd.stores import open_store
from musterd.stores.rowwriter import namespace_key
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.base import BeatBatch, ShardReader, open_reader
from musterd_coordinator.sweep.columns import RECORD, Beats, check_records

COMMAND_KEYS = 1000
CONNECTIONS = 4  # of aiomcache, which has one command at a time on each
PYMEMCACHE_TO = 300_000  # members; for more it takes as long as all others together
TICK = 0.001
_FETCH = "SELECT slot, record FROM musterd.beat WHERE namespace_key = $1"


@dataclass(frozen=True, slots=True)
class Cost:
    """A `Cost` is what one sweep took: ``seconds`` on the wall, ``cpu`` seconds of the client."""

    seconds: float
    cpu: float


class Client(Protocol):
    """A `Client` is one way of reading all beats."""

    name: str

    async def sweep(self) -> Cost:
        """Read all beats once. Raises RuntimeError when it did not."""

    async def aclose(self) -> None:
        """Close the connections."""


async def clocked(work: Callable[[], Awaitable[None]]) -> Cost:
    """Do ``work`` in this process, and return its cost."""
    cpu, began = time.process_time(), time.perf_counter()
    await work()
    return Cost(time.perf_counter() - began, time.process_time() - cpu)


async def longest_stall(work: Callable[[], Awaitable[None]]) -> float:
    """Return the longest that the event loop was away during ``work``, in seconds.

    That is no time to measure anything else: the task that looks at the clock every millisecond costs
    time too.
    """
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await anyio.sleep(TICK)
            longest = max(longest, time.perf_counter() - before - TICK)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await work()
        group.cancel_scope.cancel()
    return longest


class Product:
    """A `Product` is musterd's reader as a coordinator has it: roster known, every check on."""

    name = "musterd"

    def __init__(self, url: str, fleet: Fleet) -> None:
        store = open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=TTL)
        self._reader: ShardReader = open_reader(store, 0, "benchmark")
        self._fleet = fleet
        self._swept: BeatBatch | None = None
        self._known = np.zeros(len(fleet), np.uint64)  # the last sequence of each

    async def begin(self) -> float:
        """Learn which member sits where, as a coordinator does once; return the seconds."""
        began = time.perf_counter()
        await self._reader.write_canary(Beat(1, new_incarnation(), 1, 1000))
        while (await self._reader.roster()).more:
            pass
        seconds = time.perf_counter() - began
        await self.sweep()
        return seconds

    async def sweep(self) -> Cost:
        """Read all beats once."""
        self._swept = None
        cost = await clocked(self._read)
        self.check()
        return cost

    async def longest_stall(self) -> float:
        """Return the longest that the event loop was away during a sweep of its own, in seconds."""
        return await longest_stall(self._read)

    @property
    def beats(self) -> Beats:
        """Return what the newest sweep brought."""
        assert self._swept is not None
        return self._swept.beats

    async def aclose(self) -> None:
        """Close its connections."""
        await self._reader.aclose()

    def check(self) -> None:
        """Raise RuntimeError unless the newest sweep made the newest beat of each member known."""
        swept, expected = self._swept, self._fleet.records
        assert swept is not None
        if not swept.complete or swept.canary is None or swept.present != len(expected):
            raise RuntimeError(f"incomplete: {swept.present} beats, {swept.reason!r}")
        self._known[self.beats.slot] = self.beats.sequence
        if (self._known != expected["sequence"]).any():
            raise RuntimeError("the sweep brought old beats, or not all the new ones")

    async def _read(self) -> None:
        self._swept = await self._reader.sweep()


class KeyedPeer(ABC):
    """A `KeyedPeer` reads ``keys``, list by list, and counts the values that came."""

    def __init__(self, keys: Sequence[list[bytes]]) -> None:
        self._keys = keys
        self._brought = 0

    async def sweep(self) -> Cost:
        """Read all beats once."""
        self._brought = 0
        cost = await clocked(self._read)
        expect(self._brought, sum(map(len, self._keys)))
        return cost

    @abstractmethod
    async def _read(self) -> None:
        """Read them and count."""


class Aiomcache(KeyedPeer):
    """An `Aiomcache` does ``multi_get`` of a thousand keys, on four connections."""

    name = "aiomcache"

    def __init__(self, address: tuple[str, int], keys: Sequence[list[bytes]]) -> None:
        super().__init__(keys)
        self._client = aiomcache.Client(*address, pool_size=CONNECTIONS, pool_minsize=CONNECTIONS)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _read(self) -> None:
        left = iter(self._keys)

        async def follow() -> None:
            for keys in left:
                values = await self._client.multi_get(*keys)
                self._brought += len(values) - values.count(None)

        async with anyio.create_task_group() as group:
            for _ in range(CONNECTIONS):
                group.start_soon(follow)


class Pymemcache(KeyedPeer):
    """A `Pymemcache` does ``get_many`` of a thousand keys, on its one connection; it blocks."""

    name = "pymemcache"

    def __init__(self, address: tuple[str, int], keys: Sequence[list[bytes]]) -> None:
        from pymemcache.client.base import Client  # the group bench brings it

        super().__init__(keys)
        self._client = Client(address, no_delay=True, timeout=TIMEOUT)

    async def aclose(self) -> None:
        """Close the connection."""
        self._client.close()

    async def _read(self) -> None:
        for keys in self._keys:
            self._brought += len(self._client.get_many(keys))


class InC:
    """An `InC` runs sweep_client.c, which takes its own time and checks what it gets."""

    name = "C"

    def __init__(self, program: Path, address: tuple[str, int], fleet: Fleet) -> None:
        host, port = address
        prefix = Keys(NAMESPACE).beat_prefix.decode()
        self._command = [str(program), host, str(port), prefix, str(len(fleet))]
        self._fleet = fleet

    async def sweep(self) -> Cost:
        """Read all beats once."""
        with anyio.fail_after(TIMEOUT):
            printed = await anyio.run_process(self._command, check=False)
        if printed.returncode:
            raise RuntimeError(printed.stderr.decode().strip())
        seconds, cpu, keys, sequences = printed.stdout.split()
        expect(int(keys), len(self._fleet))
        expect(int(sequences), int(self._fleet.records["sequence"].sum()))
        return Cost(float(seconds), float(cpu))

    async def aclose(self) -> None:
        """Do nothing: each run had connections of its own."""


class Fetch:
    """A `Fetch` makes asyncpg's ``fetch`` of the rows that musterd copies into the same columns.

    It ends with what a sweep ends with: records checked, each held against the member that sits in
    its slot, every field a column of its own. It takes the rows apart in the fastest way found (by
    index; by name takes a tenth more, ``zip(*rows)`` six times as much). It is spared the
    transaction and the relays' marks, which musterd's sweep has, and learning which member sits
    where, which is not measured.
    """

    name = "fetch"

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", fleet: Fleet) -> None:
        self._connection = connection
        self._fleet = fleet
        self._brought = 0

    @classmethod
    async def connect(cls, dsn: str, fleet: Fleet) -> Self:
        """Return a client that is connected."""
        return cls(await asyncpg.connect(dsn, command_timeout=TIMEOUT), fleet)

    async def sweep(self) -> Cost:
        """Read all beats once."""
        cost = await clocked(self._read)
        expect(self._brought, len(self._fleet))
        return cost

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _read(self) -> None:
        rows = await self._connection.fetch(_FETCH, namespace_key(NAMESPACE))
        slots = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        records = np.frombuffer(b"".join([row[1] for row in rows]), RECORD)
        beats, _ = check_records(slots, records)
        members = beats.where(beats.slot >= 0)  # not musterd's canary
        seated = self._fleet.records["member_id"][members.slot] == members.member_id
        self._brought = int(seated.sum())


@contextmanager
def c_program() -> Iterator[Path | None]:
    """Compile sweep_client.c, and yield the program; None where there is no compiler."""
    compiler = shutil.which("cc")
    with TemporaryDirectory() as folder:
        program = Path(folder) / "sweep_client"
        source = Path(__file__).with_name("sweep_client.c")
        if compiler is not None:
            subprocess.run([compiler, "-O2", "-o", program, source], check=True)
        yield program if compiler else None


def keyed_peers(
    address: tuple[str, int], fleet: Fleet, program: Path | None
) -> tuple[list[Client], list[str]]:
    """Return the other clients of memcached that are here, and remarks about those that are not."""
    keys, slots = Keys(NAMESPACE), range(len(fleet))
    blocks = [
        [keys.beat(slot) for slot in slots[at : at + COMMAND_KEYS]] for at in slots[::COMMAND_KEYS]
    ]
    peers: list[Client] = [Aiomcache(address, blocks)]
    notes: list[str] = []
    if len(fleet) > PYMEMCACHE_TO:
        notes.append(f"pymemcache is left out above {PYMEMCACHE_TO:,} members: it takes too long")
    elif find_spec("pymemcache"):
        peers.append(Pymemcache(address, blocks))
    else:
        notes.append("pymemcache is left out: it comes with the dependency group bench")
    if program is not None:
        peers.append(InC(program, address, fleet))
    else:
        notes.append("the C client is left out: there is no compiler (cc)")
    return peers, notes


def expect(brought: int, expected: int) -> None:
    """Raise RuntimeError unless a peer brought what it should."""
    if brought != expected:
        raise RuntimeError(f"the sweep brought {brought} of {expected}")
