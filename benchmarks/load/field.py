"""The module begins and ends the work of a whole swarm in order: servers, workers, coordinator."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic

import anyio

from benchmarks.load import orders, tables
from benchmarks.load.costs import Roles
from benchmarks.load.crew import Crew, LoadError
from benchmarks.load.fleet import GROUP
from benchmarks.load.keyed_port import KeyedPort
from benchmarks.load.orders import Plan
from benchmarks.load.port import LONG
from benchmarks.load.ports import open_ports
from benchmarks.load.postgres_port import PostgresPort
from benchmarks.load.settings import Settings
from benchmarks.load.stage import Stage, coordinator
from benchmarks.load.watch import Watch
from musterd.errors import StoreError
from musterd.testing.daemons import Coordinator

NAMESPACE = "load-{}"


@dataclass(slots=True)
class Field:
    """A `Field` is what there is to steer and to look at. Durations are seconds.

    ``announced`` is how long announcing all members took, ``listed`` how long the coordinator took
    from its start until it had all members ``up``.
    """

    stage: Stage
    crew: Crew
    watch: Watch
    daemon: Coordinator
    announced: float = 0.0
    listed: float = 0.0
    up: int = 0

    @property
    def roles(self) -> Roles:
        """Return all processes of the run that are on this host."""
        own = {"generator": self.crew.pids, "coordinator": [self.daemon.pid]}
        return {**self.stage.servers, **own}


@asynccontextmanager
async def swarm(settings: Settings, stage: Stage) -> AsyncIterator[Field]:
    """Announce the members of ``settings``, let them beat, and have a coordinator know them all."""
    namespace = NAMESPACE.format(secrets.token_hex(4))
    plans = make_plans(settings, stage, namespace)
    with coordinator(stage, settings, namespace) as daemon:
        watch = Watch(f"http://{daemon.address}", GROUP)
        async with Crew(plans) as crew, anyio.create_task_group() as tasks:
            field = Field(stage, crew, watch, daemon)
            try:
                if stage.store.startswith("embedded:"):
                    await anyio.to_thread.run_sync(daemon.start)
                await _begin(field, plans[0])
                tasks.start_soon(watch.poll_for_ever)
                await _until_up(field, settings)
                yield field
                tasks.cancel_scope.cancel()
            finally:
                if not (stage.is_own or settings.keep):
                    with anyio.move_on_after(LONG, shield=True), suppress(LoadError, StoreError):
                        await _clean_up(field, plans[0])
                await watch.aclose()


def make_plans(settings: Settings, stage: Stage, namespace: str) -> list[Plan]:
    """Return what each worker is to do."""
    seed = secrets.randbits(32)
    return [
        Plan(
            beats_to=stage.beats_to,
            tables=stage.tables if settings.is_relayed else None,
            namespace=namespace,
            first=share.start,
            count=len(share),
            seed=seed,
            interval=settings.interval,
            push_timeout=settings.push_timeout,
            beat_ttl=settings.beat_ttl,
            lanes=settings.lanes,
            together=settings.together,
        )
        for share in settings.shares()
    ]


def bases(
    placed: Sequence[Sequence[int]], first: int, *, one_table: bool
) -> tuple[list[list[int]], list[int]]:
    """Return each worker's (rows) first slot in each shard (columns), and the slots of each shard.

    ``placed`` is how many members each worker has there. ``one_table``: the shards are relays
    before one table, in which no slot may be used twice.
    """
    shards = list(zip(*placed, strict=True))
    totals = [sum(shard) for shard in shards]
    begins = [first + (sum(totals[:at]) if one_table else 0) for at in range(len(shards))]
    starts = [
        list(accumulate(shard[:-1], initial=begin))
        for shard, begin in zip(shards, begins, strict=True)
    ]
    ends = [begin + total for begin, total in zip(begins, totals, strict=True)]
    return [list(worker) for worker in zip(*starts, strict=True)], ends


async def _begin(field: Field, plan: Plan) -> None:
    """Announce all members, and let them beat."""
    began = monotonic()
    first = await _first_slot(field.stage, plan)
    starts, ends = bases(await field.crew.placed(), first, one_table=plan.tables is not None)
    ports = open_ports(plan).shards
    try:
        await field.crew.announce(starts)
        for port, end in zip(ports, ends, strict=True):
            if isinstance(port, KeyedPort):
                await port.count_slots(end)  # last, so that no slot is read before its time
    finally:
        for port in ports:
            port.close()
    if field.stage.tables is not None:
        await tables.tidy(field.stage.tables)
    await field.crew.order(orders.Beat(), wait=True)
    field.announced = monotonic() - began


async def _first_slot(stage: Stage, plan: Plan) -> int:
    if stage.tables is None:
        return 0
    port = PostgresPort(stage.tables, plan.namespace)
    try:
        return await port.first_slot()
    finally:
        port.close()


async def _until_up(field: Field, settings: Settings) -> None:
    """Wait until the coordinator has all members up, or it takes too long."""
    began = monotonic()
    if not field.daemon.is_running:
        await anyio.to_thread.run_sync(field.daemon.start)
    patience = settings.service_down_time + settings.interval + settings.agents / 10_000
    with anyio.move_on_after(patience):
        await field.watch.until_up(settings.agents)
    field.listed, field.up = monotonic() - began, field.watch.up()


async def _clean_up(field: Field, plan: Plan) -> None:
    """Leave the user's store as it was."""
    name = field.watch.latest.coordinator if field.watch.latest else ""
    field.daemon.close()
    await field.crew.order(orders.Rest())
    await field.crew.order(orders.Remove(), wait=True)
    for port in open_ports(plan).shards:
        if isinstance(port, KeyedPort):
            await port.forget(name)
        port.close()
    if field.stage.tables is not None:
        port = PostgresPort(field.stage.tables, plan.namespace)
        await port.forget()
        port.close()
