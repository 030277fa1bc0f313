"""The benchmark measures what it costs a coordinator to keep a trace.

Members of Nova's are swept once a second, one in ten of them reports between two sweeps, and Nova's rule
is asked for all. Beats are made by hand, and the CPU time of the event loop's thread is measured: of noting
a sweep in which nothing changed, and of one in which this host's clock is stepped, so that Nova's rule calls
everybody dead at once.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figures import Figure, Result, command_of, parser_of, positive, progress, show
from benchmarks.steps import timed
from benchmarks.sweep_detector import sent_by_the_clock
from musterd import log
from musterd.beat import Status
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.stores import open_store
from musterd.trace.folder import TraceFolder
from musterd.trace.words import Rule
from musterd.trace.writer import TraceWriter
from musterd_coordinator.roll.shard import Clocks, wall_instant
from musterd_coordinator.sweep.base import BeatBatch, LastSeen, Roster
from musterd_coordinator.sweep.columns import Beats, Rejected
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.tracing.heading import heading_of
from musterd_coordinator.tracing.recorder import Recorder
from musterd_coordinator.wiring import make_roll

EXAMPLE = """\
example:
  python -m benchmarks trace --members 20000
"""
STORE = "memcached://mc1:11211"  # nobody connects to it
INTERVAL = 10
SWEEPS = 60
GOAL = 5.0
"""Milliseconds of a sweep of 100,000 members."""

STEP = 5.0
"""Milliseconds that no step may take longer than."""


class TracedFleet:
    """A `TracedFleet` is members that are up, of which a trace is kept in ``folder``."""

    def __init__(self, members: int, folder: Path) -> None:
        self._now, self.ahead = 5000.0, 0.0
        self._members = members
        self._sequence = np.ones(members, np.uint64)
        self._sweeps = 0
        settings = Settings(store=STORE, interval=INTERVAL, trace_dir=str(folder))
        store = open_store(STORE, namespace="trace", timeout=1.0, beat_ttl=600.0)
        clocks = Clocks(lambda: self._now, lambda: 1e9 + self._now + self.ahead)
        self._roll = make_roll(settings, store, clocks)
        self.writer = TraceWriter(TraceFolder(folder, 256_000_000), "20261130T190000Z")
        heading = heading_of(settings, store, "20261130T190000Z", wall_instant(clocks.wall()))
        heading.rules = [Rule.DB]
        self.recorder = Recorder(
            self._roll.view, self.writer, heading, period=1.0, interval=INTERVAL
        )
        self.write()
        names = (f"compute-{number:07d}.example.net" for number in range(members))
        self._sweep(Roster([(at, Member("compute", name)) for at, name in enumerate(names)]))

    def sweep(self) -> list[float]:
        """Make a sweep; return how many milliseconds each step took of noting it."""
        self._sweeps += 1
        self._sequence[self._sweeps % INTERVAL :: INTERVAL] += np.uint64(1)
        return self._sweep(Roster())

    def write(self) -> list[float]:
        """Write what was noted; return how many milliseconds each step took."""
        return timed(self.recorder.work())

    def _sweep(self, roster: Roster) -> list[float]:
        self._now += 1.0
        beats = self._beats()
        last_seen = LastSeen(beats.slot, np.full(self._members, 1e9 + self._now - INTERVAL))
        batch = BeatBatch(beats, Rejected(), last_seen=last_seen)
        swept = SweepOutcome(self._now, self._now, True, "", roster, batch, 0.001, 0.1)
        self._roll.apply(0, swept)
        return timed(self.recorder.note(0, swept))

    def _beats(self) -> Beats:
        slots, zeros = np.arange(self._members), np.zeros(self._members, np.uint32)
        return Beats(
            slot=slots,
            member_id=slots.astype(np.uint64),
            incarnation=slots.astype(np.uint64) + np.uint64(1),
            sequence=self._sequence.copy(),
            interval_ms=zeros + np.uint32(1000 * INTERVAL),
            status=np.full(self._members, Status.OK, np.uint8),
            sent_ms=sent_by_the_clock(self._sequence, INTERVAL),
            missed=zeros.astype(np.uint16),
            push_timeout_ms=zeros.astype(np.uint16),
            lag_ms=zeros,
        )


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("trace", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument("--repeats", type=positive, default=3, help="fleets, each from nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    log.configure("error")
    rounds = progress(range(args.repeats), "sweeping and recording", "fleet")
    runs = [measured(args.members) for _ in rounds]
    names = {name: unit for name, (unit, _) in runs[0].items()}
    goals = {_CALM: GOAL * max(1.0, args.members / 100_000), _STEPS: STEP, _LONGEST: STEP}
    figures = [
        Figure(name, unit, [run[name][1] for run in runs], at_most=goals.get(name))
        for name, unit in names.items()
    ]
    facts = {"members": args.members}
    title = f"A trace of {args.members:,} members"
    return show(
        Result("trace", title, figures, facts, command=command_of("trace", argv)), args.json
    )


_CALM = "noting a sweep in which nothing changed"
_STEPS = "noting such a sweep: longest step"
_LONGEST = "writing of everybody: longest step"


def measured(members: int) -> dict[str, tuple[str, float]]:
    """Measure one fleet: units and values by what was done."""
    with TemporaryDirectory() as folder:
        fleet = TracedFleet(members, Path(folder))
        for _ in range(2 * INTERVAL):
            fleet.sweep()
        fleet.write()
        fleet.writer.flush()
        calm = [fleet.sweep() for _ in range(SWEEPS)]
        quiet = sum(fleet.write())
        fleet.ahead = 90.0
        stepped = fleet.sweep()
        steps = fleet.write()
        began = time.thread_time()
        fleet.writer.flush()
        flushed = 1000 * (time.thread_time() - began)
    return {
        _CALM: ("ms", float(np.median([sum(sweep) for sweep in calm]))),
        _STEPS: ("ms", float(np.median([max(sweep) for sweep in calm]))),
        "writing of an hour of those": ("ms", quiet * 3600 / SWEEPS),
        "noting that Nova calls everybody dead": ("ms", sum(stepped)),
        "noting that Nova calls everybody dead: longest step": ("ms", max(stepped)),
        "writing of everybody: all of it": ("ms", sum(steps)),
        _LONGEST: ("ms", max(steps)),
        "writing of everybody: the thread": ("ms", flushed),
    }


if __name__ == "__main__":
    sys.exit(main())
