"""``musterd report`` says what Nova and musterd got wrong while a coordinator recorded a trace."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from musterd.cli import COMMANDS, DONE, ask, report_text
from musterd.cli.arguments import Parser, about, add_json, settings_of
from musterd.cli.spans import span
from musterd.report import assessed, report_on, span_of
from musterd.report.assessing import OURS, Spells
from musterd.report.page import page
from musterd.trace.reader import Trace, read_trace
from musterd.trace.recording import Span, Stretch

TRACE_DIR = "musterd-trace"
"""Where ``musterd shadow`` keeps a trace, unless it is told to elsewhere."""

_EXAMPLE = "musterd report /var/lib/musterd/trace --since 7d --html report.html"


def parser(name: str) -> Parser:
    """Return the command line of ``musterd report``."""
    made = Parser(**about(name, COMMANDS[name].summary, _EXAMPLE))
    add_trace(made)
    made.add_argument(
        "--html", metavar="FILE", type=Path, help="Draw it, too: into one file for a browser."
    )
    add_json(made)
    return made


def add_trace(made: Parser) -> None:
    """Let a command take a trace, or the end of it."""
    made.add_argument(
        "trace",
        metavar="TRACE",
        type=Path,
        nargs="?",
        help="the folder of a trace, or one file of it; without it the trace_dir of the configuration,"
        f" else {TRACE_DIR} in this folder",
    )
    made.add_argument("--config", metavar="FILE|DIR", help="Where trace_dir is said.")
    made.add_argument(
        "--since",
        metavar="SPAN",
        type=span,
        help="Look at the end of the trace only: at as much as 90s, 15min, 12h or 7d. Default: all.",
    )


def trace_path(args: Namespace) -> Path:
    """Return where the trace is that a command is to read. Raises ConfigError for a bad configuration."""
    if args.trace is not None:
        named: Path = args.trace
        return named
    return Path(settings_of(args).settings.trace_dir or TRACE_DIR)


def run(name: str, argv: Sequence[str]) -> int:
    """Print the report; return 0. Raises ConfigError for what is no trace."""
    args = parser(name).parse(argv)
    trace = read_trace(trace_path(args))
    within = span_of(trace, args.since)
    made = assessed(trace.stretches, within)
    report = report_on(trace, within, made, partial(errs, trace, within))
    if args.html:
        args.html.write_text(page(report, made), encoding="utf-8")
    if args.json:
        ask.print_json(report)
    else:
        print(report_text.text(ask.readable(report)))
    return DONE


def errs(trace: Trace, within: Span, service_down_time: float) -> bool:
    """Say whether musterd would have called anybody down that lived, by replaying all of ``within``."""
    changed = {"service_down_time": service_down_time}
    made = assessed(trace.stretches, within, lambda stretch: {OURS: replayed(stretch, changed)})
    return bool(made.mistakes)


def replayed(stretch: Stretch, changed: Mapping[str, float]) -> Spells:
    """Return when musterd would have called members down with other settings."""
    spells: Spells = import_module("musterd_coordinator.replay").replayed(stretch, changed)
    return spells
