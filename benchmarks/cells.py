"""The command simulates cells of Nova that are watched, and what breaks between hosts and database.

``python -m benchmarks cells`` prints, for cells of several sizes, how many living hosts are called down
in each trouble, for how long nobody is judged, and how soon deaths are found, beside the closed form.
docs/watching.md says what the rule is, and docs/simulation.md what is simulated.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from tabulate import tabulate

from benchmarks.figures import parser_of, progress
from benchmarks.simulation.cells import CellScenario, Trouble, detection_bound, simulate_cell

WARM = 400.0
"""Seconds after which trouble begins: two hosts have shown by then that their way is open."""

DURATION = 1500.0
SIZES = (2, 5, 12, 30, 100, 1000)

Troubles = Callable[[int], Sequence[Trouble]]
"""Returns what befalls a cell of so many hosts."""

TROUBLES: Mapping[str, Troubles] = {
    "one host dies": lambda hosts: [Trouble(WARM, deaths=1)],
    "half the hosts die": lambda hosts: [Trouble(WARM, deaths=hosts // 2)],
    "queue away, 120 s": lambda hosts: [Trouble(WARM, WARM + 120, lost=1.0)],
    "conductors restarted, 15 s": lambda hosts: [Trouble(WARM, WARM + 15, lost=1.0)],
    "1 of 3 conductors hung, 300 s": lambda hosts: [Trouble(WARM, WARM + 300, lost=1 / 3)],
    "1 of 24 workers hung, 300 s": lambda hosts: [Trouble(WARM, WARM + 300, lost=1 / 24)],
    "1 of 200 workers hung, 300 s": lambda hosts: [Trouble(WARM, WARM + 300, lost=1 / 200)],
    "database away, 30 s": lambda hosts: [
        Trouble(WARM, WARM + 30, lost=1.0, told=True, database=True)
    ],
    "all hosts restarted": lambda hosts: [Trouble(WARM, WARM + 45, restart=True)],
}
HEADERS = ("trouble", "hosts", "living called down", "nobody judged, s", "T_D, s", "bound")


@dataclass(frozen=True, slots=True)
class CellFinding:
    """A `CellFinding` is what came of one trouble in cells of one size, in so many ``runs``.

    ``accused`` counts living hosts that were ever called down, ``deaf`` are the seconds for which
    nobody was judged, on average, and ``found`` the longest that a death took to be found, which may
    be ``bound``.
    """

    trouble: str
    hosts: int
    runs: int
    accused: int
    deaf: float
    found: float | None
    bound: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, and print a table or JSON; return 1 if a living host was called down."""
    parser = parser_of("cells", __doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=SIZES, metavar="N", help="sizes")
    parser.add_argument(
        "--runs", type=int, default=10, metavar="N", help="seeds of each (default 10)"
    )
    usual = CellScenario(1)
    for name in ("interval", "rpc_response_timeout", "service_down_time"):
        default = getattr(usual, name)
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=float, default=default, metavar="S", help="as of Nova")
    args = parser.parse_args(argv)
    scenario = replace(
        usual,
        interval=args.interval,
        rpc_response_timeout=args.rpc_response_timeout,
        service_down_time=args.service_down_time,
        duration=DURATION,
    )
    findings = list(_findings(scenario, args.hosts, args.runs))
    if args.json:
        print(json.dumps([asdict(each) for each in findings]))
    else:
        print(tabulate(map(_row, findings), HEADERS, disable_numparse=True))
    return int(any(each.accused for each in findings))


def _findings(scenario: CellScenario, sizes: Sequence[int], runs: int) -> Iterator[CellFinding]:
    every = [(name, hosts) for name in TROUBLES for hosts in sizes]
    for name, hosts in progress(every, "cells", "cell"):
        yield finding(name, replace(scenario, hosts=hosts, troubles=TROUBLES[name](hosts)), runs)


def finding(name: str, scenario: CellScenario, runs: int) -> CellFinding:
    """Return what comes of ``scenario`` with so many seeds."""
    outcomes = [simulate_cell(replace(scenario, seed=seed)) for seed in range(runs)]
    dead = sum(trouble.deaths for trouble in scenario.troubles)
    took = [seconds for outcome in outcomes for seconds in outcome.found.values()]
    assert len(took) == dead * runs, "all who died were found"
    return CellFinding(
        name,
        scenario.hosts,
        runs,
        sum(len(outcome.accused) for outcome in outcomes),
        round(sum(outcome.deaf for outcome in outcomes) / runs, 1),
        max(took, default=None),
        detection_bound(scenario, dead) if dead else None,
    )


def _row(each: CellFinding) -> Sequence[str]:
    found = "" if each.found is None else f"{each.found:.0f}"
    bound = "" if each.bound is None else f"{each.bound:.0f}"
    return each.trouble, str(each.hosts), str(each.accused), f"{each.deaf:.0f}", found, bound


if __name__ == "__main__":
    sys.exit(main())
