"""The command simulates how often musterd's detector errs, and how soon it finds a death.

``python -m benchmarks simulate --members 1000000 --loss 0.01 --stalls 12 --naive`` runs a fleet in
simulated time through independent losses and faults that hit all members, and prints the quality of
service of the failure detector as Chen, Toueg and Aguilera define it, beside their closed forms
adapted to musterd's detector. docs/simulation.md says what is simulated. Distributions are written
constant:VALUE, exponential:MEAN, lognormal:MEDIAN,SIGMA, gamma:SHAPE,SCALE or pareto:LEAST,ALPHA,
in seconds.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

from tabulate import tabulate

from benchmarks.figures import parser_of, progress
from benchmarks.simulation.distributions import Distribution, parse
from benchmarks.simulation.report import figures, plain, row
from benchmarks.simulation.run import AlwaysCounting, Outcome, simulate
from benchmarks.simulation.scenario import Scenario
from musterd_coordinator.judge.listening import ListeningClock

HEADERS = ("figure", "unit", "value", "95 % from", "to", "closed form, no faults")
DEFAULTS = Scenario()


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line, with an option for each field of a scenario."""
    parser = parser_of("simulate", __doc__)
    _option(parser, "members", int, "size of the fleet")
    _option(parser, "interval", float, "seconds between a member's beats")
    _option(parser, "down_time", float, "seconds of silence that make down")
    _option(parser, "sweep_period", float, "seconds between sweeps")
    _option(parser, "duration", float, "simulated seconds")
    _option(parser, "push_timeout", float, "seconds after which a push is given up")
    _option(parser, "delay", _distribution, "how long a push takes")
    _option(parser, "loss", float, "probability that a push is lost, each on its own")
    _option(parser, "stalls", float, "store stalls per hour, in which nothing gets through")
    _option(parser, "stall_time", _distribution, "how long a stall lasts")
    _option(parser, "restarts", float, "store restarts per hour, which lose all records")
    _option(parser, "pauses", float, "coordinator pauses per hour")
    _option(parser, "pause_time", _distribution, "how long a pause lasts")
    _option(parser, "crashes", float, "crashes per member and hour")
    _option(parser, "return_after", float, "seconds until a dead member is back; default never")
    _option(parser, "seed", int, "the same seed gives the same run")
    parser.add_argument(
        "--naive",
        action="store_true",
        help="judge the same run also by a clock that never stands still",
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw PNG files into DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, print, and draw; return exit status 2 for options that make no sense."""
    parser = arguments()
    args = vars(parser.parse_args(argv))
    names = {field.name for field in fields(Scenario)}
    try:
        scenario = Scenario(**{name: args[name] for name in names})
    except ValueError as error:
        parser.error(str(error))
    if args["plot"] is not None and find_spec("matplotlib") is None:
        parser.error("--plot needs: .venv/bin/pip install -c constraints.txt --group bench")
    clocks: dict[str, type[ListeningClock]] = {"musterd": ListeningClock}
    if args["naive"]:
        clocks["naive"] = AlwaysCounting
    began = time.perf_counter()
    outcomes = {name: simulate(scenario, clock, _bar(name)) for name, clock in clocks.items()}
    _print(outcomes, time.perf_counter() - began, args["json"])
    if args["plot"] is not None:
        _draw(outcomes, args["plot"])
    return 0


def _option(
    parser: argparse.ArgumentParser, name: str, kind: Callable[[str], object], text: str
) -> None:
    default = getattr(DEFAULTS, name)
    shown = default.spec if isinstance(default, Distribution) else default
    note = "" if default is None else f" (default {shown})"
    parser.add_argument(
        f"--{name.replace('_', '-')}", type=kind, default=default, metavar="X", help=text + note
    )


def _distribution(spec: str) -> Distribution:
    try:
        return parse(spec)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _bar(name: str) -> Callable[[Iterable[int]], Iterable[int]]:
    return lambda ticks: progress(ticks, name, "sweep")


def _print(outcomes: Mapping[str, Outcome], seconds: float, as_json: bool) -> None:
    scenario = next(iter(outcomes.values())).scenario
    settings = {field.name: getattr(scenario, field.name) for field in fields(scenario)}
    told = {k: v.spec if isinstance(v, Distribution) else v for k, v in settings.items()}
    run = {
        "seconds": round(seconds, 1),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python": sys.version.split()[0],
    }
    results = {name: figures(outcome) for name, outcome in outcomes.items()}
    if as_json:
        plainly = {name: list(map(plain, found)) for name, found in results.items()}
        print(json.dumps({"scenario": told, "run": run, **plainly}))
        return
    for name, found in results.items():
        print(f"\n{name}", tabulate(map(row, found), HEADERS, disable_numparse=True), sep="\n")
    print(*(f"{key}: {value}" for key, value in {**told, **run}.items()), sep="\n")


def _draw(outcomes: Mapping[str, Outcome], folder: Path) -> None:
    from benchmarks.simulation.plots import draw  # needs matplotlib

    for path in draw(outcomes, folder):
        print(f"drew {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
