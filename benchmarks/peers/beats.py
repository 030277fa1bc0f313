"""The module is musterd's side of heartbeats: members that beat by the product's own writers."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import anyio
from anyio.from_thread import BlockingPortal

from benchmarks.fleet import GROUP, NAMESPACE
from benchmarks.peers.meter import Sender, Spent
from musterd.beat import Beat, member_id, new_incarnation
from musterd.model import Member
from musterd.stores import ShardWriter, open_store

TIMEOUT = 30.0  # seconds; a busy machine must not spoil a run
DOWN_TIME = 3600.0  # long, so that no member is down that beat before a long benchmark
INTERVAL_MS = 10_000


class Beating:
    """A `Beating` is ``members`` members, each beating over one of ``connections`` connections."""

    def __init__(self, url: str, connections: int, members: int) -> None:
        store = open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=DOWN_TIME)
        self._members = [Member(GROUP, f"host-{number:07d}") for number in range(members)]
        self._writers = [store.writer(0) for _ in range(connections)]
        self._incarnation = new_incarnation()
        self._sequences: Counter[int] = Counter()  # by member_id

    async def announce(self) -> None:
        """Take a slot for each member."""
        async with anyio.create_task_group() as tasks:
            for writer, members in self._shares():
                tasks.start_soon(_announce, writer, members)

    async def beat(self, count: int) -> Spent:
        """Send ``count`` beats, of all members in turn, on all connections at once."""
        start, cpu = time.perf_counter(), time.process_time()
        each = count // len(self._writers)
        async with anyio.create_task_group() as tasks:
            for writer, members in self._shares():
                tasks.start_soon(self._send, writer, members, each)
        seconds, client = time.perf_counter() - start, time.process_time() - cpu
        return Spent(each * len(self._writers), seconds, client)

    async def aclose(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            await writer.aclose()

    def _shares(self) -> Iterator[tuple[ShardWriter, Sequence[Member]]]:
        for index, writer in enumerate(self._writers):
            yield writer, self._members[index :: len(self._writers)]

    async def _send(self, writer: ShardWriter, members: Sequence[Member], count: int) -> None:
        ids = [member_id(NAMESPACE, GROUP, member.name) for member in members]
        for turn in range(count):
            its_id = ids[turn % len(ids)]
            self._sequences[its_id] += 1
            beat = Beat(its_id, self._incarnation, self._sequences[its_id], INTERVAL_MS)
            if not await writer.beat(beat):
                raise RuntimeError("the store lost a member that had just been announced")


async def _announce(writer: ShardWriter, members: Sequence[Member]) -> None:
    for member in members:
        await writer.announce(member)


@contextmanager
def sender(portal: BlockingPortal, url: str, connections: int, members: int) -> Iterator[Sender]:
    """Yield a plain call that sends beats of ``members`` members over so many connections."""
    beating = Beating(url, connections, members)
    try:
        portal.call(beating.announce)
        yield partial(portal.call, beating.beat)
    finally:
        portal.call(beating.aclose)
