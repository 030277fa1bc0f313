"""The benchmark measures for how long one step of a coordinator keeps its event loop from others.

A coordinator of two shards, without its timers and with beats made by hand, seats newcomers, judges
sweeps and answers questions. The CPU time of each step between two turns of the loop is measured.
Half of the members are in one group, the others share the rest; each group has one zone.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from benchmarks.figures import (
    Figure,
    Result,
    command_of,
    parser_of,
    positive,
    progress,
    rounded,
    show,
)
from benchmarks.steps_fleet import BIG, SWEEPS, StillFleet
from musterd import log
from musterd.model import State, Verdict
from musterd_coordinator.http import metrics
from musterd_coordinator.http.answers import StructResponse
from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.limits import HttpLimits, Room
from musterd_coordinator.http.listing import Listing
from musterd_coordinator.nova.lastview import packed
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.process.garbage import collect_seldom
from musterd_coordinator.service.selection import NO_FILTERS

EXAMPLE = """\
example:
  python -m benchmarks steps --members 20000 --groups 2000
"""
GOAL = 5.0
"""Milliseconds that no step may take longer than."""

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
NAMES = 1000
ASKED = 200  # times that one member, or a thousand, are asked for

Times = dict[str, list[float]]
"""Milliseconds of CPU of each step, by what was done."""


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("steps", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=200_000)
    parser.add_argument("--groups", type=positive, default=20_000)
    parser.add_argument("--repeats", type=positive, default=3, help="fleets, each from nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    log.configure("error")
    rounds = progress(range(args.repeats), "seating and asking", "fleet")
    runs = [measure(args.members, args.groups) for _ in rounds]
    facts = {"members": args.members, "groups": args.groups}
    return show(stated(facts, runs, command_of("steps", argv)), args.json)


def measure(members: int, groups: int) -> Times:
    """Measure one fleet, from nothing; the garbage collector works as in a coordinator."""
    fleet, times = StillFleet(members, groups), Times()
    gc.disable()
    try:
        times["seating newcomers"] = timed(fleet.seat(0))
        times["seating them on their other shard"] = timed(fleet.seat(1))
        for shard in (0, 1):  # what these say is remembered, and means nothing
            timed(fleet.sweep(shard, everybody=True))
        gc.enable()
        collect_seldom()
        times["everybody's first beat"] = timed(fleet.sweep(0, everybody=True))
        timed(fleet.sweep(1))
        sweeps = [timed(fleet.sweep(at % 2)) for at in range(2 * SWEEPS)]
        times["judging a sweep"] = [step for sweep in sweeps for step in sweep]
        times |= _asked(fleet)
        times["packing the last view of a door"] = _packing(fleet)
        times["everybody's silence"] = _silence(fleet)
        times["everybody's return"] = timed(fleet.sweep(0, everybody=True))
    finally:
        gc.unfreeze()
        gc.enable()
    return times


def timed(steps: Iterable[object]) -> list[float]:
    """Return the milliseconds of CPU that each of ``steps`` takes."""
    taken, begun = [], iter(steps)
    while True:
        began = time.thread_time()
        try:
            next(begun)
        except StopIteration:
            taken.append(1000 * (time.thread_time() - began))
            return taken
        taken.append(1000 * (time.thread_time() - began))


def _silence(fleet: StillFleet) -> list[float]:
    """Time sweeps without beats until all members are suspect and have been held for some time."""
    steps, held = list[float](), 0
    while held < SWEEPS:
        for shard in (0, 1):
            steps += timed(fleet.silence(shard))
        held += fleet.states == {State.SUSPECT}
    return steps


def _asked(fleet: StillFleet) -> Times:
    desk, chance = fleet.desk, np.random.default_rng(1)
    listing = Listing(desk)
    times = {"list of all groups": timed(listing.answer())}
    times["page of metrics"] = timed(_metrics(fleet, metrics.PLAIN))
    times["page of metrics as OpenMetrics"] = timed(_metrics(fleet, metrics.form_of(OPENMETRICS)))
    times["page of 1,000 members, the first"] = timed(_page(fleet, ""))
    after = [fleet.names[at] for at in range(0, fleet.big, NAMES)]
    times["page of 1,000 members, others"] = [
        step for name in after for step in timed(_page(fleet, name))
    ]
    some = chance.integers(fleet.big, size=(ASKED, NAMES))
    times["one member"] = timed(
        StructResponse(desk.member(BIG, fleet.names[at])) for at in some[:, 0].tolist()
    )
    times["query of 1,000 names"] = timed(
        StructResponse(desk.query(BIG, [fleet.names[at] for at in row])) for row in some.tolist()
    )
    return times


def _page(fleet: StillFleet, after: str) -> Iterator[None]:
    page = yield from fleet.desk.members_steps(BIG, NO_FILTERS, after, NAMES)
    StructResponse(page)


def _packing(fleet: StillFleet) -> list[float]:
    """Time what a door to Nova does with the largest group when it saves it; it has it already."""
    up = Verdict(up=True, schedulable=True, down=False, state=State.UP)
    verdicts = {key_of("compute", name): up for name in fleet.names[: fleet.big]}
    return timed(packed({BIG: "compute"}, verdicts, [], time.time()))


def _metrics(fleet: StillFleet, form: metrics.Form) -> Iterator[None]:
    desk, gauges = fleet.desk, HttpGauges(Door(1, 1), Room(HttpLimits()))
    status, groups = desk.status_steps(), desk.groups_steps()
    yield from metrics.render(status, groups, gauges=gauges, readers=0, form=form)


def stated(facts: dict[str, int], runs: Sequence[Times], command: str) -> Result:
    """Return the longest step of each kind, and the 99th percentile of its steps."""
    figures: list[Figure] = []
    for name in runs[0]:
        kinds: tuple[tuple[str, str, Callable[[list[float]], float], float | None], ...] = (
            ("longest step", "ms", max, GOAL),
            ("99 of 100 steps", "ms", lambda steps: float(np.percentile(steps, 99)), None),
        )
        for what, unit, of, most in kinds:
            values = [of(run[name]) for run in runs]
            figures.append(Figure(f"{name}: {what}", unit, values, at_most=most))
    for name in ("seating newcomers", "seating them on their other shard"):
        values = [sum(run[name]) / 1000 for run in runs]
        figures.append(Figure(f"{name}: all of it", "s", values))
    seconds = {"seating_seconds": rounded(figures[-2].median)}
    title = f"Steps of the event loop, {facts['members']:,} members in {facts['groups']:,} groups"
    return Result("steps", title, figures, {**facts, **seconds}, command=command)


if __name__ == "__main__":
    sys.exit(main())
