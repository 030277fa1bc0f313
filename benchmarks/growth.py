"""The benchmark measures what everything costs for a thousand members, a million, and between.

For each size a fleet of its own is put into a real store. musterd's reader sweeps it, its beats
rewritten in random order before each sweep, and the detector judges it. Then a real coordinator
watches it while all members go on beating: first one that knows no member, then the same one
started again, which knows its members from its registry.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
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
from benchmarks.growth_fit import exponent, worst_doubling
from benchmarks.growth_run import EACH, KNOWN, Cost, Costs, Plan, measure, measure_empty
from benchmarks.stores import STORES

EXAMPLE = """\
example:
  python -m benchmarks growth --store memcached --quick
"""
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK = 100_000
MOST_DOUBLING = 2.3
MILLION = 1_000_000
MOST_OF_A_MILLION = {EACH: 400.0, KNOWN: 10.0}
Grown = Mapping[int, Costs]


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("growth", __doc__, EXAMPLE)
    parser.add_argument("--store", choices=STORES, default="memcached")
    parser.add_argument("--members", type=positive, default=MILLION, help="the largest size")
    parser.add_argument("--quick", action="store_true", help=f"up to {QUICK:,} members only")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two beats")
    parser.add_argument("--repeats", type=positive, default=5, help="measured sweeps of each size")
    parser.add_argument("--steady", type=float, default=5.0, help="seconds of watching, each time")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    most = min(args.members, QUICK) if args.quick else args.members
    sizes = [size for size in SIZES if size < most] + [most]
    grown = _measured(args.store, sizes, Plan(args.interval, args.repeats, args.steady))
    facts = {"store": args.store, "members": most, "interval": args.interval}
    return show(stated(facts, grown, command_of("growth", argv)), args.json)


def _measured(store: str, sizes: Sequence[int], plan: Plan) -> Grown:
    grown: dict[int, Costs] = {}
    with STORES[store](0, 1) as server:
        empty = anyio.run(measure_empty, server, plan.steady)
    for members in progress(sizes, "growing", "size"):
        with STORES[store](members, 1) as server:
            grown[members] = anyio.run(
                measure, server, members, empty, plan, backend_options={"use_uvloop": True}
            )
    return grown


def stated(facts: Mapping[str, object], grown: Grown, command: str) -> Result:
    """Return how everything grows, what the largest fleet costs, and all that was measured."""
    most = max(grown)
    costs = list(grown[most])
    figures = [figure for cost in costs for figure in _figures(cost, grown)]
    lines = {_titled(cost): _points(cost, grown) for cost in costs}
    points = [
        {"members": size, **{_titled(cost): rounded(median(grown[size][cost])) for cost in costs}}
        for size in grown
    ]
    return Result(
        "growth",
        f"Growth of what it costs, up to {most:,} members, {facts['store']}",
        figures,
        {**facts, "points": points},
        [Plot("Cost by members", "members", "cost", lines, logarithmic=True)],
        _steep(costs, grown),
        command,
    )


def _figures(cost: Cost, grown: Grown) -> list[Figure]:
    """Return the cost of the largest fleet, and how steeply it came to that."""
    most = max(grown)
    goal = MOST_OF_A_MILLION.get(cost) if most == MILLION else None
    figures = [Figure(f"{cost.name}, {most:,} members", cost.unit, grown[most][cost], goal)]
    if cost.grows and len(grown) > 1:
        points = _points(cost, grown)
        worst = worst_doubling(points).ratio
        figures += [
            Figure(f"{cost.name}: exponent", "", [exponent(points)]),
            Figure(f"{cost.name}: worst doubling", "times", [worst], MOST_DOUBLING),
        ]
    return figures


def _steep(costs: Sequence[Cost], grown: Grown) -> list[str]:
    """Return in words where a doubling costs more than it may."""
    if len(grown) < 2:
        return []
    steps = {cost: worst_doubling(_points(cost, grown)) for cost in costs if cost.grows}
    return [
        f"{cost.name} grows {step.ratio:.2f} times per doubling between {step.smaller:,} and"
        f" {step.larger:,} members"
        for cost, step in steps.items()
        if step.ratio > MOST_DOUBLING
    ]


def _points(cost: Cost, grown: Grown) -> list[tuple[float, float]]:
    """Return the cost by size; what is too little to be seen counts as a little."""
    return [(size, max(median(grown[size][cost]), 1e-3)) for size in sorted(grown)]


def _titled(cost: Cost) -> str:
    return f"{cost.name}, {cost.unit}"


if __name__ == "__main__":
    sys.exit(main())
