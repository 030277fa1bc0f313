"""The module reads the command line of ``python -m benchmarks load``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import anyio
from tqdm import tqdm

from benchmarks.bulk import first_cause
from benchmarks.figures import Result, command_of, parser_of, positive, seconds, show
from benchmarks.load.field import swarm
from benchmarks.load.ramp import climb
from benchmarks.load.report import report, report_ramp
from benchmarks.load.run import Glance, Stretch
from benchmarks.load.settings import OWN, Settings
from benchmarks.load.stage import Stage, open_stage
from musterd.errors import MusterdError
from musterd.model import State
from musterd.testing.processes import ServerError

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s {postfix}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; return 0, 1 for a missed goal, 2 for what cannot be run, 130 when stopped."""
    args = _parser().parse_args(argv)
    settings = _settings(args)
    if args.plot and find_spec("matplotlib") is None:
        print("load: --plot needs matplotlib; run: pip install matplotlib", file=sys.stderr)
        return 2
    try:
        with open_stage(settings) as stage:
            result = anyio.run(_until_stopped, settings, stage, command_of("load", argv))
    except Exception as error:
        cause = first_cause(error)
        if not isinstance(cause, MusterdError | ServerError | OSError):
            raise
        print(f"load: {cause}", file=sys.stderr)
        return 2
    if result is None:
        print("load: stopped; nothing was left running", file=sys.stderr)
        return 130
    status = show(result, args.json)  # first: a plot that fails must not cost an hour's result
    if args.plot and result.plots:
        from benchmarks.plots import draw  # needs matplotlib

        sys.stdout.flush()
        draw(result.plots, args.plot)
    return status


async def _until_stopped(settings: Settings, stage: Stage, command: str) -> Result | None:
    """Run, unless Ctrl-C or SIGTERM ends it."""
    result = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        result = await _run(settings, stage, command)
        tasks.cancel_scope.cancel()
    return result


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _run(settings: Settings, stage: Stage, command: str) -> Result:
    async with swarm(settings, stage) as field:
        with _bar(settings) as glance:
            if settings.ramp:
                steps = await climb(field, settings, glance)
                return report_ramp(field, settings, steps, command)
            measured = await Stretch(field, settings, glance).measure()
            return report(field, settings, measured, command)


@contextmanager
def _bar(settings: Settings) -> Iterator[Callable[[Glance], None]]:
    """Show a bar on a terminal, with what is known so far."""
    with tqdm(total=settings.duration, desc="load", bar_format=_BAR, disable=None) as bar:

        def glance(at: Glance) -> None:
            bar.n = at.seconds
            bar.set_postfix_str(_in_short(at))

        yield glance


def _in_short(at: Glance) -> str:
    latencies = at.tally.latencies
    text = f"{at.rate:.0f} beats/s, p99 {1000 * latencies.percentile(99):.1f} ms"
    status = at.status.status if at.status else None
    if status is not None:
        sweep = max((shard.sweep_seconds or 0 for shard in status.shards), default=0)
        down = status.states.get(State.DOWN, 0)
        text += f", sweep {sweep:.2f} s, up {status.states.get(State.UP, 0)}, down {down}"
    bad = at.tally.failed + at.tally.lost
    return f"{text}, {bad} beats lost" if bad else text


def _settings(args: argparse.Namespace) -> Settings:
    values = {name: value for name, value in vars(args).items() if name not in ("json", "plot")}
    return Settings(**values)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "load", "A swarm of simulated agents against a store, and what it made of them."
    )
    add = parser.add_argument
    add(
        "--store",
        required=True,
        metavar="URL",
        help=f"a store URL, or for our own: {', '.join(OWN)}",
    )
    add("--agents", type=positive, default=10_000, metavar="N", help="members that beat")
    add("--interval", type=seconds, default=10.0, metavar="S", help="seconds between beats")
    add(
        "--duration",
        type=seconds,
        default=120.0,
        metavar="S",
        help="seconds to measure; of each step with --ramp",
    )
    add(
        "--processes",
        type=positive,
        default=max(1, len(os.sched_getaffinity(0)) - 1),
        metavar="P",
        help="of the generator (default: one less than cores)",
    )
    add(
        "--connections",
        type=positive,
        metavar="C",
        help="to each shard, of all members (default: one each up to 4000, then shared)",
    )
    add(
        "--kill",
        type=int,
        metavar="K",
        help="members that stop after a third of the run (default: 20, at most a tenth)",
    )
    add("--service-down-time", type=seconds, default=60.0, metavar="S", help="of the coordinator")
    add("--sweep-period", type=seconds, default=1.0, metavar="S", help="of the coordinator")
    add("--threads", type=positive, default=2, metavar="T", help="of our own memcached")
    add("--relay", metavar="URL", help="relay:// URL that agents beat to; the store is PostgreSQL")
    add("--relays", type=positive, default=1, metavar="R", help="relays of our own (--store relay)")
    add("--ramp", action="store_true", help="shorten the interval until something gives way")
    add("--p99", type=seconds, default=0.5, metavar="S", help="latency at which a ramp ends")
    add("--plot", type=Path, metavar="FILE", help="write the plots of a ramp to this PNG")
    add("--keep", action="store_true", help="leave the members in the user's store")
    return parser
