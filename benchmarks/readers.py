"""The benchmark measures what it costs a coordinator that many follow what it knows, and how late they are.

A real coordinator watches a fleet in a memcached, in which all members beat in time. One reader after the
other takes all members as columns: first of a version of which nobody asked, then of one that was made
for another. Then a thousand follow the events in columns (:mod:`benchmarks.readers_load`) while a hundredth
of the members fails its check or passes it again each second; then the coordinator is killed and started
again, and all of them come back at once. Last, one order is given for many members by name.

The store, the coordinator, the fleet that beats and the readers are a process each, and share the cores that
there are. CPU is the coordinator's, less what it takes to sweep as it did before anybody asked.
"""

import argparse
import http.client
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median

import anyio
import anyio.to_thread
import numpy as np

from benchmarks.coordinators import all_saved, all_up, coordinator, start
from benchmarks.figures import Figure, Result, command_of, parser_of, positive, show
from benchmarks.fleet import GROUP, Fill, Fleet, beat_at_once, beating, rewrite
from benchmarks.processes import cpu_seconds
from benchmarks.stores import memcached
from musterd.beat import Status
from musterd.errors import MusterdError
from musterd.orders import GroupOrder
from musterd.testing.daemons import Coordinator

EXAMPLE = """\
example:
  python -m benchmarks readers --members 100000
"""
APART = 2.5
"""Seconds between two readers each of which is the first to ask: longer than one's columns serve another."""

FURTHER = 20  # readers of what was made for one before
LOOK = 0.2  # seconds
ORDERED = 2200  # a large rack
HERE = Path(__file__).parent
Found = Mapping[str, float]


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("readers", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument("--readers", type=positive, default=1000)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two beats")
    parser.add_argument("--repeats", type=positive, default=5, help="first readers, and orders")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds that readers follow")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    figures = anyio.run(_measure, args)
    title = f"Readers of all that is known of {args.members:,} members"
    facts = {"members": args.members, "readers": args.readers}
    return show(
        Result("readers", title, figures, facts, command=command_of("readers", argv)), args.json
    )


async def _measure(args: argparse.Namespace) -> list[Figure]:
    with memcached(args.members, 1) as server, closing(coordinator(server.url)) as process:
        fleet = Fleet(args.members, args.interval)
        fill = server.fill(fleet)
        await fill.fill()
        await start(process)
        await beat_at_once(fleet, fill)
        async with beating(fleet, fill, args.interval):
            await all_up(process, args.members)
            await all_saved(process)
            figures = await anyio.to_thread.run_sync(_one_by_one, process, args.repeats)
            figures += await _following(process, fleet, fill, args)
            figures += await anyio.to_thread.run_sync(_ordered, process, fleet.names, args.repeats)
        await fill.aclose()
    return figures


# -- one after the other -------------------------------------------------------------------------


def _one_by_one(process: Coordinator, repeats: int) -> list[Figure]:
    calms, first = list[float](), list[float]()
    for _ in range(repeats):  # in turn, as sweeps do not cost the same at all times
        calms.append(_cpu(process, lambda: time.sleep(APART)))
        first.append(_cpu(process, lambda: _apart(process)) - calms[-1])
    calm = median(calms) / APART
    size = _snapshot(process)
    began = time.monotonic()
    cpu = _cpu(process, lambda: [_snapshot(process) for _ in range(FURTHER)])
    took = time.monotonic() - began
    return [
        Figure("first reader: CPU", "ms", [1e3 * cpu for cpu in first], at_most=30),
        Figure("each further one: CPU", "ms", [1e3 * (cpu - calm * took) / FURTHER], at_most=2),
        Figure("a reader: on the wire", "kB", [size / 1e3], at_most=150),
    ]


def _cpu(process: Coordinator, do: Callable[[], object]) -> float:
    before = cpu_seconds(process.pid)
    do()
    return cpu_seconds(process.pid) - before


def _apart(process: Coordinator) -> None:
    began = time.monotonic()
    _snapshot(process)
    time.sleep(max(0.0, APART - (time.monotonic() - began)))


def _snapshot(process: Coordinator) -> int:
    """Take the first columns of a stream as a browser does, compressed; return their bytes."""
    connection = http.client.HTTPConnection(process.host, process.port, timeout=60)
    with closing(connection):
        connection.request("GET", "/v1/events?form=columns", headers={"Accept-Encoding": "gzip"})
        answer, came, text = connection.getresponse(), 0, ""
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while "]}\n\n" not in text.partition("event: columns")[2]:
            part = answer.read1(1 << 16)
            came += len(part)
            text += unpack.decompress(part).decode()
    return came


# -- all at once ---------------------------------------------------------------------------------


async def _following(
    process: Coordinator, fleet: Fleet, fill: Fill, args: argparse.Namespace
) -> list[Figure]:
    load = partial(_follow, process, args.readers)
    before, began = cpu_seconds(process.pid), time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_failing, fleet, fill)
        told = await anyio.to_thread.run_sync(load, args.duration)
        tasks.cancel_scope.cancel()
    cores = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
    await anyio.to_thread.run_sync(process.stop)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start, process)
        back = await anyio.to_thread.run_sync(load, 1.0)
    if told["cut"] or back["cut"]:
        raise RuntimeError(f"readers were cut off: {told}, {back}")
    return [
        Figure("a hundredth changes each second: median", "ms", [told["p50"]]),
        Figure("a hundredth changes each second: p99", "ms", [told["p99"]], at_most=250),
        Figure("a hundredth changes each second: coordinator", "cores", [cores]),
        Figure("after a restart: until all readers are whole", "s", [back["whole"]], at_most=5),
        Figure("after a restart: age of the newest sweep, at most", "s", [back["age"]]),
    ]


async def _keep_failing(fleet: Fleet, fill: Fill) -> None:
    """Let a hundredth of the members fail its check, or pass it again, each second."""
    due = anyio.current_time()
    for rows in cycle(np.array_split(fleet.shuffled(), 100)):
        with anyio.CancelScope(shield=True):
            fleet.records["status"][rows] ^= np.uint8(Status.CHECK_FAILING)
            fleet.beat(rows)
            await rewrite(fill, rows)
        due += 1.0
        await anyio.sleep_until(due)


def _follow(process: Coordinator, readers: int, seconds: float) -> Found:
    """Have so many follow, and look how old the newest sweep is meanwhile, in a thread."""
    words = process.host, str(process.port), str(readers), str(seconds)
    command = [sys.executable, "-m", "benchmarks.readers_load", *words]
    ages = [0.0]
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE) as load:
        while load.poll() is None:
            time.sleep(LOOK)
            with suppress(MusterdError):  # it is being started
                shards = process.client.status().shards
                ages += [shard.staleness for shard in shards if shard.staleness is not None]
        assert load.stdout is not None
        found: dict[str, float] = json.loads(load.stdout.read())
    return found | {"age": max(ages)}


# -- an order ------------------------------------------------------------------------------------


def _ordered(process: Coordinator, names: Sequence[str], repeats: int) -> list[Figure]:
    took = list[float]()
    rack = list(names[:ORDERED])
    orders = GroupOrder(rack, disabled=True, reason="a rack"), GroupOrder(rack, disabled=False)
    for order in orders * repeats:
        began = time.monotonic()
        answer = process.client.orders(GROUP, order)
        took.append(time.monotonic() - began)
        if answer.changed != min(ORDERED, len(names)):
            raise RuntimeError(f"the order changed {answer.changed} members")
    return [Figure(f"one order for {ORDERED:,} members", "s", took, at_most=1)]


if __name__ == "__main__":
    sys.exit(main())
