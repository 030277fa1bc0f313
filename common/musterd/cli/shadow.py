"""``musterd shadow`` watches Nova beside Nova, asked by nobody, and records who would have got what wrong."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser, add_options
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.cli.spans import span

_OPTIONS = (
    *("trace_max_mb", "trace_anonymous"),
    *("interval", "sweep_period", "sweep_timeout"),
    *("storm_min", "storm_fraction", "storm_hold"),
)


def parser(name: str) -> Parser:
    """Return the command line of ``musterd shadow``."""
    made = new_parser(
        name, "musterd shadow --nova nova+mysql://musterd@db1/nova_api --for 7d --anonymous"
    )
    made.add_argument(
        "--nova",
        metavar="URL",
        help="Nova's databases, as in nova+mysql://musterd@db1/nova_api (docs/watching.md). Default:"
        " what store or watch says.",
    )
    made.add_argument(
        "--for",
        dest="span",
        metavar="SPAN",
        type=span,
        help="End after so long, as 7d, 12h, 15min or 90s. Default: when it is told to.",
    )
    made.add_argument(
        "--anonymous",
        action="store_true",
        help="Record no name of a host or zone: the same as --trace-anonymous true.",
    )
    made.add_argument(
        "--trace-dir",
        metavar="DIR",
        help="The folder to record in, which is made for its owner alone (docs/trace.md). Default:"
        " musterd-trace, in this one.",
    )
    add_options(made, *_OPTIONS)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Watch and record until the time is over, or until told to stop."""
    args = parser(name).parse(argv)
    args.store = args.nova or args.store
    args.trace_anonymous = "true" if args.anonymous else args.trace_anonymous
    return run_daemon("musterd_coordinator.shadow", args, span=args.span)
