"""The benchmark reads every beat of a store, by musterd's own reader and by other clients.

A real server is filled with a fleet. Before each measured sweep all beats are written again in
random order, as agents write that know nothing of each other: a memcached filled in the order of
its keys is read up to twice as fast, and no fleet fills one so. All clients take turns in one run,
because the same machine takes longer in one hour than in another: judge by the ratios.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

import anyio

from benchmarks.figures import (
    Figure,
    Plot,
    Result,
    command_of,
    parser_of,
    positive,
    progress,
    rounded,
    show,
)
from benchmarks.fleet import Fill, Fleet, beat_at_once, rewrite, some
from benchmarks.processes import cpu_seconds
from benchmarks.stores import STORES, Server
from benchmarks.sweep_clients import Client, Cost, Fetch, Product, c_program, keyed_peers
from benchmarks.sweep_detector import Judge, Verdict
from benchmarks.sweep_maria import MariaRows

EXAMPLE = """\
example:
  python -m benchmarks sweep --store memcached --members 100000
"""
# Goals, with the number of members from which on they hold.
MOST_MS = {
    ("memcached", 100_000): 120.0,
    ("memcached", 1_000_000): 1800.0,
    ("postgresql", 100_000): 35.0,
    ("postgresql", 1_000_000): 300.0,
}
FASTER = {("C", 100_000): 0.9, ("fetch", 1_000_000): 5.0}
CHEAPER = {("aiomcache", 100_000): 15.0}
MOST_DETECTOR_NS = 15.0  # a member
MOST_STALL_MS = 5.0


@dataclass(slots=True)
class Measured:
    """A `Measured` has everything that was measured, one value per repeat, in seconds."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    server: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    few_new: list[Cost] = field(default_factory=list)
    few_new_server: list[float] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    roster: float = 0.0
    notes: list[str] = field(default_factory=list)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("sweep", __doc__, EXAMPLE)
    parser.add_argument("--store", choices=STORES, default="memcached")
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument(
        "--repeats", type=positive, default=5, help="measured sweeps of each client"
    )
    parser.add_argument("--threads", type=positive, default=1, help="threads of memcached")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    fleet = Fleet(args.members)
    with STORES[args.store](args.members, args.threads) as server:
        measured = anyio.run(
            measure, server, fleet, args.repeats, backend_options={"use_uvloop": True}
        )
    command = command_of("sweep", argv)
    return show(stated(args.store, server.setting, args.members, measured, command), args.json)


async def measure(server: Server, fleet: Fleet, repeats: int) -> Measured:
    """Fill the server, and sweep it with each client in turn, ``repeats`` times."""
    measured = Measured()
    async with AsyncExitStack() as stack:
        fill = server.fill(fleet)
        stack.push_async_callback(fill.aclose)
        await fill.fill()
        product = Product(server.url, fleet)
        stack.push_async_callback(product.aclose)
        measured.roster = await product.begin()
        await _judge(server, product, fleet, fill, repeats, measured)
        peers = await _peers(server, fleet, stack, measured)
        for _ in progress(range(repeats), "sweeping", "round"):
            await _round(server, fleet, fill, [*peers, product], measured)
            if _leaves_out_old(server):
                await _few_new(server, fleet, fill, product, measured)
    return measured


async def _judge(
    server: Server, product: Product, fleet: Fleet, fill: Fill, repeats: int, measured: Measured
) -> None:
    """Measure what musterd does besides reading, before any peer has torn its memory to pieces."""
    judge = Judge(len(fleet))
    await beat_at_once(fleet, fill)
    await product.sweep()
    judge.begin(product.beats)
    for _ in range(repeats):
        if _leaves_out_old(server):
            await beat_at_once(fleet, fill)
        measured.stalls.append(await product.longest_stall())
        measured.verdicts.append(judge.sweep(product.beats))


def _leaves_out_old(server: Server) -> bool:
    """Say whether musterd's sweep of this store brings only beats that are new since the last."""
    return server.url.startswith("postgresql")


async def _peers(
    server: Server, fleet: Fleet, stack: AsyncExitStack, measured: Measured
) -> list[Client]:
    """Return the other clients, connected and warm."""
    if server.url.startswith("postgresql"):
        peers: list[Client] = [await Fetch.connect(server.url, fleet)]
    elif server.url.startswith("mysql"):
        peers = [MariaRows(server.url, fleet)]
    else:
        program = stack.enter_context(c_program())
        peers, measured.notes = keyed_peers(server.address, fleet, program)
    for peer in peers:
        stack.push_async_callback(peer.aclose)
        await peer.sweep()
    return peers


async def _round(
    server: Server, fleet: Fleet, fill: Fill, clients: Sequence[Client], measured: Measured
) -> None:
    """Sweep with each client; the last one is musterd's, and its cost to the server is noted."""
    for client in clients:
        await beat_at_once(fleet, fill)
        before = cpu_seconds(server.pid)
        measured.costs.setdefault(client.name, []).append(await client.sweep())
    measured.server.append(cpu_seconds(server.pid) - before)


async def _few_new(
    server: Server, fleet: Fleet, fill: Fill, product: Product, measured: Measured
) -> None:
    """Have musterd sweep a fleet with an interval of ten seconds a second after its last sweep."""
    await rewrite(fill, some(fleet, 0.1))
    before = cpu_seconds(server.pid)
    measured.few_new.append(await product.sweep())
    measured.few_new_server.append(cpu_seconds(server.pid) - before)


def stated(store: str, setting: str, members: int, measured: Measured, command: str) -> Result:
    """Return the figures with their goals, and the facts that scripts read."""
    ours = measured.costs[Product.name]
    large = members >= 100_000
    figures = [
        Figure(
            "sweep",
            "ms",
            [1e3 * cost.seconds for cost in ours],
            at_most=MOST_MS.get((store, members)),
        ),
        Figure("client CPU", "µs/key", [1e6 * cost.cpu / members for cost in ours]),
        Figure("server CPU", "µs/key", [1e6 * cpu / members for cpu in measured.server]),
        Figure(
            "longest stall of the event loop",
            "ms",
            [1e3 * stall for stall in measured.stalls],
            at_most=MOST_STALL_MS if members <= 100_000 else None,
        ),
        Figure(
            "detector, all rows",
            "ms",
            [1e3 * verdict.detector for verdict in measured.verdicts],
            at_most=MOST_DETECTOR_NS * members / 1e6 if large else None,
        ),
        Figure(
            "telling new beats from old",
            "ms",
            [1e3 * verdict.news for verdict in measured.verdicts],
        ),
    ]
    if measured.few_new:
        figures += _of_few_new(measured, ours, members)
    facts: dict[str, object] = {
        "store": store,
        "server": setting,
        "members": members,
        "seconds": rounded(median(cost.seconds for cost in ours)),
        "client_us_per_key": rounded(figures[1].median),
        "stall_ms": rounded(figures[3].median),
        "detector_ms": rounded(figures[4].median),
        "roster_seconds": rounded(measured.roster),
    }
    for name, theirs in measured.costs.items():
        if name != Product.name:
            compared = _compared(name, theirs, ours, members)
            figures += compared
            facts |= {f"ratio_{name.lower()}": rounded(compared[2].median)}
            facts |= {f"ratio_{name.lower()}_cpu": rounded(compared[3].median)}
    title = f"Sweep of {members:,} members, {store}"
    return Result("sweep", title, figures, facts, [_plot(measured)], measured.notes, command)


def _plot(measured: Measured) -> Plot:
    """Return every sweep of every client, in the order in which they took turns."""
    lines = {
        name: [(float(turn), 1e3 * cost.seconds) for turn, cost in enumerate(costs, 1)]
        for name, costs in measured.costs.items()
    }
    return Plot("Time of every sweep", "round", "ms", lines)


def _of_few_new(measured: Measured, ours: Sequence[Cost], members: int) -> list[Figure]:
    """Return what is left of a sweep's costs when one member in ten has beat since the last."""
    few, server = measured.few_new, measured.few_new_server
    return [
        Figure("one beat in ten is new: sweep", "ms", [1e3 * cost.seconds for cost in few]),
        Figure(
            "one beat in ten is new: client CPU",
            "µs/key",
            [1e6 * cost.cpu / members for cost in few],
        ),
        Figure(
            "one beat in ten is new: server CPU", "µs/key", [1e6 * cpu / members for cpu in server]
        ),
        Figure(
            "one beat in ten is new: time of a whole sweep / its own",
            "",
            [our.seconds / cost.seconds for our, cost in zip(ours, few, strict=True)],
        ),
    ]


def _compared(
    name: str, theirs: Sequence[Cost], ours: Sequence[Cost], members: int
) -> list[Figure]:
    """Return what a peer took, and how many times as much as musterd in the same round."""
    pairs = list(zip(theirs, ours, strict=True))
    faster = [their.seconds / our.seconds for their, our in pairs]
    cheaper = [their.cpu / our.cpu for their, our in pairs]
    return [
        Figure(f"{name}: sweep", "ms", [1e3 * cost.seconds for cost in theirs]),
        Figure(f"{name}: client CPU", "µs/key", [1e6 * cost.cpu / members for cost in theirs]),
        Figure(
            f"musterd's throughput / {name}'s", "", faster, at_least=_least(FASTER, name, members)
        ),
        Figure(f"{name}'s CPU / musterd's", "", cheaper, at_least=_least(CHEAPER, name, members)),
    ]


def _least(goals: Mapping[tuple[str, int], float], name: str, members: int) -> float | None:
    """Return the goal for fleets of this size: that of the greatest size that is not above it."""
    sizes = [size for peer, size in goals if peer == name and size <= members]
    return goals[name, max(sizes)] if sizes else None


if __name__ == "__main__":
    sys.exit(main())
