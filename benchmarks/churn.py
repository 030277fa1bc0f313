"""The benchmark finds out whether names that come and go for ever leave anything behind.

In each turn a wave of members with new names, a new zone and new metadata joins a real memcached by
the agents' own protocol, all members that live beat once, and the oldest wave says goodbye. A
coordinator with a SQLite registry sweeps, saves, and forgets the members that left; the turns
replace its timers. What the turns cost and what there is at the end is compared with the beginning.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio

from benchmarks.churn_run import LIVES, Turn, churning
from benchmarks.figures import Figure, Plot, Result, command_of, parser_of, positive, progress, show
from benchmarks.stores import Server, memcached
from musterd import log

EXAMPLE = """\
example:
  python -m benchmarks churn --names 20000 --rate 500
"""
WARM = 3 * LIVES
"""Turns until as many leave as join, and the tables have the room for both."""


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("churn", __doc__, EXAMPLE)
    parser.add_argument("--names", type=positive, default=1_000_000, help="all that ever join")
    parser.add_argument("--rate", type=positive, default=1000, help="that join in one turn")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    log.configure("error")
    turns = max(args.names // args.rate, WARM + 2)
    with memcached(8 * args.rate, 1) as server, TemporaryDirectory() as directory:
        seen = anyio.run(run, server, Path(directory), turns, args.rate)
    facts = {"names": turns * args.rate, "rate": args.rate, "turns": turns}
    return show(stated(facts, seen, command_of("churn", argv)), args.json)


async def run(server: Server, directory: Path, turns: int, rate: int) -> list[Turn]:
    """Run all turns, and return them."""
    async with churning(server, directory) as churn:
        return [await churn.turn(rate) for _ in progress(range(turns), "churning", "turn")]


def stated(facts: dict[str, int], turns: Sequence[Turn], command: str) -> Result:
    """Return what a member costs that joined and left, and the end compared with the beginning."""
    rate = facts["rate"]
    steady = turns[WARM:]
    few = max(1, len(steady) // 5)
    first, last = steady[:few], steady[-few:]

    def each(name: str, unit: str, attribute: str) -> Figure:
        scale = 1e6 / rate if unit == "µs" else 1.0
        return Figure(name, unit, [scale * getattr(turn, attribute) for turn in steady])

    def growth(
        name: str, attribute: str, most: float, typical: Callable[[list[float]], float] = median
    ) -> Figure:
        begin, end = (typical([getattr(t, attribute) for t in turns]) for turns in (first, last))
        return Figure(f"{name}, end against beginning", "times", [end / begin], most)

    figures = [
        each("CPU to read and judge, per join", "µs", "sweep"),
        each("CPU to save, per join", "µs", "record"),
        each("CPU to forget, per leave", "µs", "forget"),
        each("store requests of an agent that joins", "", "joining"),
        each("store requests to forget one", "", "leaving"),
        growth("CPU to read and judge", "sweep", 1.25, undisturbed),
        growth("coordinator memory", "resident", 1.1),
        *(
            growth(name, attribute, 1.05)
            for name, attribute in (
                ("members", "members"),
                ("rows ever used", "rows"),
                ("zones", "zones"),
                ("slots", "slots"),
                ("members in the registry", "saved"),
                ("keys in the store", "items"),
            )
        ),
    ]
    lines = {
        name: [(at, getattr(turn, attribute)) for at, turn in enumerate(turns)]
        for name, attribute in (("slots", "slots"), ("rows", "rows"), ("members", "members"))
    }
    title = f"Churn: {facts['names']:,} names, {rate:,} a turn"
    plot = Plot("What there is, by turn", "turn", "count", lines)
    return Result("churn", title, figures, facts, [plot], (), command)


def undisturbed(costs: Sequence[float]) -> float:
    """Return the lower quartile: what else runs on a machine makes a turn dearer, never cheaper."""
    return sorted(costs)[len(costs) // 4]


if __name__ == "__main__":
    sys.exit(main())
