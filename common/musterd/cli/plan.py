"""``musterd plan`` says what servers and settings a fleet takes, before you have it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from musterd.cli import COMMANDS, DONE, NO, ask, render
from musterd.cli.arguments import Parser, add_json, number
from musterd.errors import ConfigError
from musterd.limits import MAX_INTERVAL
from musterd.planning import Coefficients, PlanAnswer, Question, StoreKind, plan
from musterd.planning.coefficients import Source
from musterd.planning.model import BEHIND, Need
from musterd.planning.settings import server_advice
from musterd.settings.options import DAY, Number, Seconds

_MILLION = 1_000_000
_EXAMPLE = """\
example:
  musterd plan --members 200000 --interval 5 --store relay"""


class Printed(PlanAnswer, frozen=True, kw_only=True):
    """A ``Printed`` is what ``plan --json`` prints: the plan, and what it was made from."""

    server: str
    assumptions: dict[str, float]
    coefficients: dict[str, float]
    sources: dict[str, Source]


def parser(name: str) -> Parser:
    """Return the command line of ``musterd plan``."""
    summary = COMMANDS[name].summary
    made = Parser(
        prog=f"musterd {name}",
        description=f"{summary.capitalize()}.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--members",
        type=number(Number(1, 100_000_000)),
        required=True,
        metavar="N",
        help="Hosts, each with one agent that beats for one member.",
    )
    _add_durations(made)
    made.add_argument(
        "--store",
        choices=[kind.value for kind in StoreKind],
        default=StoreKind.MEMCACHED.value,
        help="How beats travel; relay is PostgreSQL behind relays, and relay-mariadb MariaDB."
        " Default: memcached.",
    )
    made.add_argument(
        "--loss",
        type=number(Number(0.0, 0.9, metavar="P")),
        default=0.01,
        metavar="P",
        help="The share of beats that do not get through, each by itself. Default: 0.01.",
    )
    made.add_argument(
        "--coefficients",
        metavar="FILE",
        help="Measured costs of your own instead of the shipped ones: a JSON file of the same form,"
        " or what python -m benchmarks load --json printed.",
    )
    add_json(made)
    return made


def _add_durations(made: Parser) -> None:
    made.add_argument(
        "--interval",
        type=number(Seconds(0.05, MAX_INTERVAL)),
        default=10.0,
        metavar="S",
        help="Seconds between two beats of a member. Default: 10.",
    )
    made.add_argument(
        "--service-down-time",
        type=number(Seconds(0.1, DAY)),
        metavar="S",
        help="Seconds of silence until a member is down. Default: six intervals.",
    )
    made.add_argument(
        "--sweep-period",
        type=number(Seconds(0.05, MAX_INTERVAL)),
        metavar="S",
        help="Seconds between two sweeps. Default: the shortest from 1 up that a coordinator keeps"
        " up with.",
    )


def run(name: str, argv: Sequence[str]) -> int:
    """Print the plan; return 0 if it fits, 1 if it does not."""
    args = parser(name).parse(argv)
    question = Question(
        members=args.members,
        interval=args.interval,
        store=StoreKind(args.store),
        service_down_time=args.service_down_time,
        sweep_period=args.sweep_period,
        loss=args.loss,
    )
    costs = coefficients(args.coefficients)
    answer = plan(question, costs)
    if args.json:
        ask.print_json(printed(answer, costs))
    else:
        print(text(answer, costs))
        for problem in answer.problems:
            print(f"musterd: it does not fit: {problem}", file=sys.stderr)
        if not answer.fits:
            print(f"musterd: {_advice(answer)}", file=sys.stderr)
    return DONE if answer.fits else NO


def coefficients(file: str | None) -> Coefficients:
    """Return the shipped coefficients, or these with those of a file. Raises ConfigError."""
    shipped = Coefficients.shipped()
    if file is None:
        return shipped
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"--coefficients {file}: there is no such file")
    return shipped.updated(path)


def printed(answer: PlanAnswer, costs: Coefficients) -> Printed:
    """Return the plan with everything that it was made from."""
    return Printed(
        **{field: getattr(answer, field) for field in answer.__struct_fields__},
        server=server_advice(answer.question, answer.need),
        assumptions=costs.assumptions,
        coefficients={name: one.value for name, one in costs.known.items()},
        sources=costs.sources,
    )


def _advice(answer: PlanAnswer) -> str:
    if answer.instead is None:
        return "no other store carries it as asked either: split the fleet, or ask for less"
    return f"use --store {answer.instead}, which carries the same fleet"


def text(answer: PlanAnswer, costs: Coefficients) -> str:
    """Return the plan for people: what it takes and does, the settings, where figures are from."""
    parts = [render.facts(_facts(answer)), *_files(answer), render.facts(_assumed(answer, costs))]
    used = {costs.source(name) for name in costs.known if _counts(name, answer.question.store)}
    parts.append("\n".join(["measured by:", *sorted(map(_source, used))]))
    return "\n\n".join(parts)


def _counts(name: str, store: StoreKind) -> bool:
    """Say whether a plan for ``store`` is made with this coefficient."""
    return name.partition(".")[0] in (store, "coordinator", BEHIND.get(store))


def _facts(answer: PlanAnswer) -> Iterator[tuple[str, str]]:
    question, need = answer.question, answer.need
    yield (
        "fleet",
        (
            f"{question.members:,} members, a beat every {question.interval:g} s:"
            f" {need.beats_a_second:,.0f} beats/s"
        ),
    )
    yield "fits", "yes" if answer.fits else "NO"
    if need.servers:
        name = need.server if need.servers == 1 else f"{need.server}s"
        yield name, f"{need.servers}; each {_load(need)}"
    if need.relays:
        yield (
            "relays",
            (
                f"{need.relays}, one of them to spare; each"
                f" {_cores(need.relay_cores)}, {_size(need.relay_memory)}"
            ),
        )
    yield (
        "coordinators",
        (
            f"{need.coordinators}; each {_cores(need.coordinator_cores)},"
            f" {_size(need.coordinator_memory)}"
        ),
    )
    yield "connections", f"{need.connections:,} of agents"
    yield "sweeps", f"every {need.sweep_period:g} s, each takes {need.sweep_seconds:.2g} s"
    yield "network", f"{_size(need.network)}/s in all"
    yield "WAL", f"{_size(need.wal)}/s" if need.wal else "none"
    yield (
        "a death is found",
        f"after {answer.detection.average:.3g} s on average, {answer.detection.longest:g} s at most",
    )
    yield "false deaths", f"{_rare(answer.false_downs_a_day)} by chance, in the whole fleet"


def _load(need: Need) -> str:
    return (
        f"{_cores(need.server_cores)}, {_size(need.server_memory)},"
        f" {need.server_connections:,} connections, back from a restart after"
        f" {need.reconnect_seconds:.2g} s of its CPU"
    )


def _files(answer: PlanAnswer) -> Iterator[str]:
    for who, file in answer.settings.items():
        yield f"# musterd.toml of each {who}\n{file.rstrip()}"
    yield f"# {server_advice(answer.question, answer.need)}"


def _assumed(answer: PlanAnswer, costs: Coefficients) -> Iterator[tuple[str, str]]:
    assumed = costs.assumed
    yield (
        "assumed",
        (
            f"a server has {assumed('server_cores'):g} cores and {assumed('server_memory_gb'):g} GB,"
            f" of which {assumed('server_busy'):.0%} and a half are used"
        ),
    )
    yield "", f"beats get lost each by itself, {answer.question.loss:.3g} of them"
    yield "", "all hosts have one agent with one member and one connection to each of its servers"


def _source(source: Source) -> str:
    return f"  {source.command}; {source.date}; {source.machine}"


def _cores(cores: float) -> str:
    return f"{cores:.2g} cores" if cores >= 0.01 else "less than 0.01 cores"


def _size(size: float) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} B"


def _rare(per_day: float) -> str:
    if per_day >= 1:
        return f"{per_day:,.3g} a day"
    if per_day <= 1 / (365 * _MILLION):
        return "less than one in a million years"
    days = 1 / per_day
    return f"one in {days:,.3g} days" if days < 365 else f"one in {days / 365:,.0f} years"
