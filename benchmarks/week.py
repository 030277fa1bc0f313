"""A simulated week of a watched cell of Nova becomes a trace, for ``musterd report`` and ``musterd replay``.

Hosts, queue, conductors and database are those of :mod:`benchmarks.simulation.cells`; herd, listening clock
and detector are the coordinator's own, and Nova's rule is asked at each sweep as Nova asks it. So what a
report finds in the trace is what the two would have said.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.simulation.cells import CellRun, CellScenario, Look, Trouble
from musterd.about import version
from musterd.trace.folder import TraceFolder
from musterd.trace.lines import (
    HeadCount,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceHeader,
    TraceLine,
    TraceMember,
    VerdictChange,
)
from musterd.trace.words import DeafKind, EventKind, Rule, ShardEnd
from musterd.trace.writer import TraceWriter
from musterd_coordinator.judge.members import STATES
from musterd_coordinator.judge.transitions import Cause

EXAMPLE = """\
example:
  python -m benchmarks week build/week && musterd report build/week --html build/week.html
"""
DAY, HOUR = 86400.0, 3600.0
BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
RUN = "20261123T000000Z"
LOSS = 1e-5
"""The share of reports that the queue loses for reasons of its own: of 100 hosts one in three hours."""

LONG = 1.5
"""Intervals of silence that are recorded."""

AHEAD = 75.0
"""Seconds by which this controller's clock is wrong for a while."""

Span = tuple[float, float]
WEEK = (
    Trouble(0.0, 7 * DAY, lost=LOSS),
    Trouble(9.2 * HOUR, 9.2 * HOUR, deaths=1),
    Trouble(DAY + 10 * HOUR, DAY + 10 * HOUR + 150, lost=1.0),  # the queue is away
    Trouble(DAY + 15 * HOUR, DAY + 15 * HOUR, deaths=1),
    Trouble(2 * DAY + 3 * HOUR, 2 * DAY + 3 * HOUR + 90, lost=1.0, told=True, database=True),
    Trouble(
        3 * DAY + 11 * HOUR, 3 * DAY + 11.2 * HOUR, lost=1 / 3
    ),  # one of three conductors hangs
    Trouble(4 * DAY + 20 * HOUR, 4 * DAY + 20 * HOUR, deaths=3),
    Trouble(5 * DAY + 2 * HOUR, 5 * DAY + 2 * HOUR + 20, lost=1.0),  # conductors are restarted
)
CLOCK: Span = (5 * DAY + 14 * HOUR, 5 * DAY + 14 * HOUR + 240)
"""When this controller's clock is wrong."""


class Week:
    """A `Week` is what a recorder would have noted of a cell, however long it was simulated."""

    def __init__(self, scenario: CellScenario) -> None:
        self.scenario, hosts = scenario, scenario.hosts
        self._run = CellRun(scenario)
        self._heard = np.full(hosts, -np.inf)
        self._alive = np.ones(hosts, np.bool_)  # by Nova's rule
        self._turn = ""

    def lines(self) -> Iterator[TraceLine]:
        """Yield all lines, sweep by sweep."""
        for row in range(self.scenario.hosts):
            yield TraceMember(row, "compute", f"cn{row:03}", f"az{row % 3 + 1}", 0, 10.0)
            yield VerdictChange(0.0, row, "up", "beat")
        period = self.scenario.sweep_period
        sweeps = range(1, round(self.scenario.duration / period) + 1)
        for tick in tqdm(sweeps, disable=not sys.stderr.isatty(), unit=" sweeps"):
            yield from self._note(tick * period, self._run.tick(tick * period))
        yield from self._end(self.scenario.duration)

    def _note(self, now: float, look: Look) -> Iterator[TraceLine]:
        yield from self._shard(now, look)
        if look.answered:
            yield from self._returns(now, look.reported)
            yield from self._rule(now)
        for changes in look.changes:
            differ = changes.old != changes.new
            told = changes.rows[differ].tolist(), changes.new[differ], changes.cause[differ]
            for row, state, cause in zip(*told, strict=True):
                yield VerdictChange(now, row, STATES[state].value, Cause(cause).name.lower())
        if now % 600 == 0:
            yield self._count(now)

    def _shard(self, now: float, look: Look) -> Iterator[TraceLine]:
        kind = "" if look.proven else DeafKind.DOUBT if look.answered else DeafKind.AWAY
        how = ShardEnd.OK if look.proven else ShardEnd.DEAF
        if how + kind == self._turn:
            return
        if self._turn == ShardEnd.DEAF + DeafKind.DOUBT:
            yield TraceEvent(now, 0, EventKind.DOUBT_OVER)
        if kind == DeafKind.DOUBT:
            yield TraceEvent(now, 0, EventKind.DOUBT)
        self._turn = how + kind
        yield ShardTurn(now, 0, how, kind, self.scenario.sweep_period)

    def _returns(self, now: float, reported: np.ndarray) -> Iterator[TraceLine]:
        silent = now - self._heard[reported]
        long = (silent > LONG * self.scenario.interval) & np.isfinite(silent)
        for row in reported[long].tolist():
            yield SilenceEnded(now, row, self._heard.item(row))
        self._heard[reported] = now

    def _rule(self, now: float) -> Iterator[TraceLine]:
        """Yield of whom Nova says otherwise than before: nova/servicegroup/drivers/db.py, is_up."""
        ages = now - self._heard + (AHEAD if CLOCK[0] <= now < CLOCK[1] else 0.0)
        alive = (np.abs(ages) <= self.scenario.service_down_time) | ~np.isfinite(ages)
        for row in np.flatnonzero(alive != self._alive).tolist():
            yield RuleChange(now, row, Rule.DB, int(alive[row]), ages.item(row))
        self._alive = alive

    def _count(self, now: float) -> HeadCount:
        return HeadCount(now, self.scenario.hosts, self.scenario.hosts)

    def _end(self, now: float) -> Iterator[TraceLine]:
        silent = now - self._heard > LONG * self.scenario.interval
        for row in np.flatnonzero(silent & np.isfinite(self._heard)).tolist():
            yield StillSilent(now, row, self._heard.item(row))
        yield self._count(now)


def header_of(scenario: CellScenario) -> TraceHeader:
    """Return the header of a coordinator's trace that watches such a cell."""
    return TraceHeader(
        run=RUN,
        at=BEGIN,
        t=0.0,
        musterd=version(),
        settings={
            "service_down_time": scenario.service_down_time,
            "interval": scenario.interval,
            "sweep_period": scenario.sweep_period,
            "storm_min": scenario.storm_min,
            "storm_fraction": 1 / 3,
            "storm_hold": 2 * scenario.service_down_time,
            "rpc_response_timeout": scenario.rpc_response_timeout,
        },
        source="nova+mysql",
        shards=["db1/nova_cell1 rpc"],
        anonymous=False,
        rules=[Rule.DB],
    )


def main(argv: Sequence[str]) -> int:
    """Write the trace; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks week",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the trace goes")
    parser.add_argument("--hosts", type=int, default=200, help="default: 200")
    parser.add_argument("--days", type=float, default=7.0, help="at most 7, the default")
    parser.add_argument("--seed", type=int, default=1, help="of chance; default: 1")
    args = parser.parse_args(argv)
    week = Week(CellScenario(args.hosts, WEEK, args.days * DAY, seed=args.seed))
    writer = TraceWriter(TraceFolder(args.folder, 256_000_000), RUN)
    writer.begin(header_of(week.scenario))
    writer.write(list(week.lines()))
    writer.close()
    return 0
