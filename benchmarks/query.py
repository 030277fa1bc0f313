"""The benchmark measures how many questions a coordinator answers while it sweeps, and how fast.

A real coordinator watches a fleet in a real store, in which all members beat in time, in random
order. Then one kind of question after another is asked over as many connections as a scheduler's
workers may have (:mod:`benchmarks.query_load`): first as fast as it is answered. A question then
waits mostly for the other ones; so two kinds are also asked at rates below that, by the clock, and
what is late counts from when it was due. Before that the coordinator is started again, so that its
registry knows all members, as it does after a while.

The coordinator uses one core. The store, the fleet that beats and the program that asks have a
process of their own each, and share the cores that there are: where there are fewer than four, they
are in each other's way. How much of the time the coordinator could have run and had no core is
printed too.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
import anyio.to_thread

from benchmarks.coordinators import all_saved, all_up, coordinator, start
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
from benchmarks.fleet import GROUP, Fleet, beat_at_once, beating
from benchmarks.processes import cpu_seconds, resident_bytes, waited_seconds
from benchmarks.stores import STORES, Server
from musterd.testing.daemons import Coordinator

EXAMPLE = """\
example:
  python -m benchmarks query --members 100000 --duration 5
"""
GOALS_TO = 100_000
NAMES = 1000  # in one query, and in a page
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    """A `Question` is one kind of request, with its goals.

    ``least`` is the goal in requests a second, ``most_p99`` in ms. ``rate`` is how many a second
    are asked; 0 is as many as are answered, and then the goals are for up to :data:`GOALS_TO`
    members.
    """

    key: str
    name: str
    connections: int
    least: float | None = None
    most_p99: float | None = None
    rate: int = 0


ONE = Question("get", "GET one member", 32, 18_000, 5.0)
MANY = Question("query", f"POST {NAMES} names", 8, 2_000, 10.0)
PAGE = Question("page", "GET a page of the list", 4)
SOME = Question("steady_get", "GET one member, 5000/s asked", 32, most_p99=5.0, rate=5_000)
FEWER = Question("slow_get", "GET one member, 1000/s asked", 32, most_p99=5.0, rate=1_000)
FEW = Question("steady_query", f"POST {NAMES} names, 200/s asked", 8, most_p99=5.0, rate=200)
QUESTIONS = (ONE, MANY, PAGE, SOME, FEWER, FEW)
Run = Mapping[str, float]
Runs = dict[Question, list[Run]]


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("query", __doc__, EXAMPLE)
    parser.add_argument("--store", choices=STORES, default="memcached")
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two beats")
    parser.add_argument(
        "--sweep-period", type=float, default=1.0, help="seconds between two sweeps"
    )
    parser.add_argument("--repeats", type=positive, default=5, help="runs of each kind of question")
    parser.add_argument(
        "--duration",
        type=float,
        default=3.0,
        help="seconds of each run at a rate; half of it, as fast as answered",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    with STORES[args.store](args.members, 1) as server:
        runs = anyio.run(measure, server, args)
        setting = server.setting
    facts = {
        "store": args.store,
        "server": setting,
        "sweep_period": args.sweep_period,
        "asked_by": "benchmarks/query_load.py",
    }
    return show(stated(args.members, facts, runs, command_of("query", argv)), args.json)


async def measure(server: Server, args: argparse.Namespace) -> Runs:
    """Let all members beat, and ask every kind of question in turn."""
    fleet = Fleet(args.members, args.interval)
    fill = server.fill(fleet)
    await fill.fill()
    watching = coordinator(server.url_to_watch, args.sweep_period)
    with closing(watching) as process, TemporaryDirectory() as folder:
        files = written(fleet.names, Path(folder))
        await start(process)
        await beat_at_once(fleet, fill)
        async with beating(fleet, fill, args.interval):
            await all_up(process, args.members)
            await all_saved(process)
            await anyio.to_thread.run_sync(process.stop)
            await start(process)
            runs = await _ask_all(process, files, args.repeats, args.duration)
    await fill.aclose()
    return runs


def written(names: Sequence[str], folder: Path) -> Mapping[Question, Path]:
    """Write a file of requests for each kind of question: see benchmarks/query_load.py."""
    chance = random.Random(1)
    members = f"/v1/groups/{GROUP}/members"
    lines = {
        ONE: [f"GET\t{members}/{chance.choice(names)}\t" for _ in range(5000)],
        MANY: [f"POST\t/v1/groups/{GROUP}/query\t{_body(names, chance)}" for _ in range(50)],
        PAGE: [f"GET\t{members}?after={name}\t" for name in names[::NAMES]],
    }
    lines |= {SOME: lines[ONE], FEWER: lines[ONE], FEW: lines[MANY]}
    files = {question: folder / f"{at}.txt" for at, question in enumerate(QUESTIONS)}
    for question, file in files.items():
        file.write_text("\n".join(lines[question]) + "\n")
    return files


def _body(names: Sequence[str], chance: random.Random) -> str:
    return json.dumps({"members": chance.choices(names, k=NAMES)}, separators=(",", ":"))


async def _ask_all(
    process: Coordinator, files: Mapping[Question, Path], repeats: int, duration: float
) -> Runs:
    runs: Runs = {}
    before = await _unproven(process)  # while it read its members, at first, some proved nothing
    for _ in progress(range(repeats), "asking", "round"):
        for question, file in files.items():
            seconds = duration if question.rate else duration / 2  # these are many in any case
            command = _command(question, process, file, seconds)
            runs.setdefault(question, []).append(
                await anyio.to_thread.run_sync(_ask, process, command)
            )
    if unproven := await _unproven(process) - before:
        raise RuntimeError(f"{unproven} sweeps proved nothing while questions were asked")
    return runs


async def _unproven(process: Coordinator) -> int:
    shards = (await anyio.to_thread.run_sync(process.client.status)).shards
    return sum(shard.unproven_sweeps for shard in shards)


def _ask(process: Coordinator, command: Sequence[str]) -> Run:
    """Run ``command``, in a thread: the loop is in the hands of the fleet that beats."""
    began, before = time.monotonic(), (cpu_seconds(process.pid), waited_seconds(process.pid))
    printed = subprocess.run(command, cwd=HERE.parent, capture_output=True, check=True).stdout
    took = time.monotonic() - began
    cpu = (cpu_seconds(process.pid) - before[0]) / took
    waited = (waited_seconds(process.pid) - before[1]) / took
    run: dict[str, float] = json.loads(printed.splitlines()[-1])
    if run["errors"]:
        raise RuntimeError(f"{run['errors']} requests failed: {' '.join(command)}")
    return run | {"cpu": cpu, "waited": 100 * waited, "memory": resident_bytes(process.pid)}


def _command(
    question: Question, process: Coordinator, file: Path, duration: float
) -> Sequence[str]:
    numbers = str(process.port), str(question.connections), str(duration)
    load = [sys.executable, "-m", "benchmarks.query_load", process.host, *numbers, str(file)]
    return [*load, str(question.rate)]


def stated(members: int, facts: Mapping[str, object], runs: Runs, command: str) -> Result:
    """Return the figures with their goals, and the facts that scripts read."""
    large = members > GOALS_TO
    figures = [
        figure
        for question, asked in runs.items()
        for figure in _figures(_without_goals(question) if large else question, asked)
    ]
    every = [run for asked in runs.values() for run in asked]
    figures.append(Figure("coordinator, memory", "MB", [run["memory"] / 1e6 for run in every]))
    medians = {
        f"{question.key}_per_second": rounded(median(run["per_second"] for run in asked))
        for question, asked in runs.items()
    }
    title = f"Questions about {members:,} members while they are swept"
    return Result(
        "query", title, figures, {**facts, "members": members, **medians}, command=command
    )


def _without_goals(question: Question) -> Question:
    """Return the question without the goals that are for smaller fleets."""
    return question if question.rate else replace(question, least=None, most_p99=None)


def _figures(question: Question, asked: Sequence[Run]) -> list[Figure]:
    def of(key: str) -> list[float]:
        return [run[key] for run in asked]

    name = f"{question.name}, {question.connections} connections"
    return [
        Figure(name, "1/s", of("per_second"), at_least=question.least),
        Figure(f"{question.name}: median", "ms", of("p50")),
        Figure(f"{question.name}: p99", "ms", of("p99"), at_most=question.most_p99),
        Figure(f"{question.name}: longest", "ms", of("most")),
        Figure(f"{question.name}: coordinator", "cores", of("cpu")),
        Figure(f"{question.name}: coordinator had no core", "%", of("waited")),
    ]


if __name__ == "__main__":
    sys.exit(main())
