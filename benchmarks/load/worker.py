"""The program is one process of the swarm: ``python -m benchmarks.load.worker``.

Its parent starts it. It reads a :class:`~benchmarks.load.orders.Plan` and then orders from its
standard input, and ends with it: no worker outlives its parent.
"""

import asyncio
import gc
import resource
import sys
from time import monotonic, time

import anyio
import msgspec
import numpy as np
from anyio.abc import TaskGroup, TaskStatus

from benchmarks.bulk import first_cause
from benchmarks.load import orders
from benchmarks.load.fleet import Fleet, Seated, make_fleet, placed, seated
from benchmarks.load.flow import Flow
from benchmarks.load.orders import Answer, Counted, Done, Failed, Order, Placed, Plan
from benchmarks.load.ports import open_ports
from benchmarks.load.tally import Count
from musterd.errors import MusterdError
from musterd.testing import keeper

TICK = 0.01
"""Seconds from one look at the clock to the next; beats due in between are written together."""

LOOK_EVERY = 3
"""In every third tick beats are followed by a look at the slot's holder, as agents do: with every
third beat (:data:`musterd.stores.slots.writer.ASSURE_EVERY`)."""

REPORT = 0.5  # seconds

_LINE = 2**24


class Worker:
    """A `Worker` carries out the orders of its parent."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._count = Count(plan.push_timeout)
        self._round = 0
        self._ports = open_ports(plan)
        self._fleets: list[Fleet] = []
        self._members: list[Seated] = []
        self._flows: list[Flow] = []
        self._resting = False

    def place(self) -> Placed:
        """Make up the members and see to which shards they go."""
        plan = self._plan
        fleet = make_fleet(plan.first, plan.count, plan.namespace, plan.seed)
        names = tuple(port.name for port in self._ports.shards)
        masks = placed(fleet.member_id, names, self._ports.replicas)
        self._fleets = [fleet.where(mask) for mask in masks]
        return Placed([len(part.number) for part in self._fleets])

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Carry out orders until the parent has nothing more to say."""
        decode = msgspec.json.Decoder(Order).decode
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report)
            while line := await lines.readline():
                await self._carry_out(decode(line), tasks)
            tasks.cancel_scope.cancel()

    async def _carry_out(self, order: Order, tasks: TaskGroup) -> None:  # noqa: C901  # a list
        match order:
            case orders.Announce(bases):
                await self._announce(bases)
            case orders.Beat():
                await tasks.start(self._beat)
            case orders.Interval(interval, push_timeout):
                self._count.push_timeout = push_timeout
                for flow in self._flows:
                    flow.take_interval(interval)
            case orders.Measure():
                self._round += 1
                self._count.begin()
            case orders.StopMembers(numbers):
                for flow in self._flows:
                    flow.stop_members(np.array(numbers, np.int64))
            case orders.Rest():
                self._resting = True
            case orders.Remove():
                for port, members in zip(self._ports.shards, self._members, strict=True):
                    await port.remove_all(members)
        if isinstance(order, orders.Announce | orders.Beat | orders.Remove):
            tell(Done())

    async def _announce(self, bases: list[int]) -> None:
        for port, fleet, base in zip(self._ports.shards, self._fleets, bases, strict=True):
            self._members.append(seated(fleet, base, self._plan.interval, time()))
            await port.announce_all(self._members[-1])

    async def _beat(self, *, task_status: TaskStatus[None]) -> None:
        for port, members in zip(self._ports.shards, self._members, strict=True):
            script, plan = port.script(members), self._plan
            flow = Flow(
                members.fleet, port, script, plan.lanes, self._count, together=plan.together
            )
            flow.take_interval(self._plan.interval)
            await flow.connect()
            self._flows.append(flow)
        gc.freeze()  # what there is now stays, and need not be looked through again
        task_status.started()
        async with anyio.create_task_group() as tasks:
            for flow in self._flows:
                tasks.start_soon(flow.mend)
            await self._tick_for_ever()

    async def _tick_for_ever(self) -> None:
        since, turn = monotonic(), 0
        while True:
            await anyio.sleep(max(0.0, since + TICK - monotonic()))
            now, turn = monotonic(), turn + 1
            self._count.fell_behind(now - since - TICK)
            for flow in () if self._resting else self._flows:
                flow.tick(since, now, look=turn % LOOK_EVERY == 0)
            since = now

    async def _report(self) -> None:
        while True:
            await anyio.sleep(REPORT)
            tell(Counted(self._round, self._count.so_far()))


def tell(answer: Answer) -> None:
    """Write one line to the parent."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


async def _main() -> None:
    lines = asyncio.StreamReader(limit=_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    plan = msgspec.json.decode(await lines.readline(), type=Plan)
    try:
        worker = Worker(plan)
        tell(worker.place())
        await worker.run(lines)
    except* MusterdError as errors:
        tell(Failed(str(first_cause(errors))))


if __name__ == "__main__":
    keeper.end_with_parent()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    anyio.run(_main, backend_options={"use_uvloop": True})
