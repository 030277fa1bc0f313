"""``musterd replay`` judges a recorded trace anew, as musterd would have with other settings."""

from collections.abc import Mapping, Sequence
from functools import partial

from musterd.cli import COMMANDS, DONE, ask, report_text
from musterd.cli.arguments import Parser, about, add_json, number
from musterd.cli.report import add_trace, replayed, trace_path
from musterd.limits import MAX_INTERVAL
from musterd.report import SETTINGS, assessed, replay_on, span_of
from musterd.report.assessing import OURS, Spells, recorded
from musterd.settings.options import DAY, Seconds
from musterd.trace.reader import read_trace
from musterd.trace.recording import Stretch

_EXAMPLE = "musterd replay /var/lib/musterd/trace --service-down-time 90"

REPLAYED = "replayed"
"""What the judge is called that musterd would have been."""


def parser(name: str) -> Parser:
    """Return the command line of ``musterd replay``."""
    made = Parser(**about(name, COMMANDS[name].summary, _EXAMPLE))
    add_trace(made)
    for flag, kind, what in (
        ("--service-down-time", Seconds(0.1, DAY), "Seconds of silence until a member is down."),
        ("--interval", Seconds(0.05, MAX_INTERVAL), "Seconds between two beats of a member."),
        ("--sweep-period", Seconds(0.05, MAX_INTERVAL), "Seconds between two sweeps."),
        ("--storm-hold", Seconds(0.1, 7 * DAY), "Seconds for which a mass silence is held."),
    ):
        described = f"{what} Default: as recorded."
        made.add_argument(flag, type=number(kind), metavar="S", help=described)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print what musterd said and what it would have said; return 0."""
    args = parser(name).parse(argv)
    given = {key: getattr(args, key) for key in SETTINGS}
    changed = {key: value for key, value in given.items() if value is not None}
    trace = read_trace(trace_path(args))
    within = span_of(trace, args.since)
    made = assessed(trace.stretches, within, partial(both, changed))
    answer = replay_on(trace, within, made, changed)
    if args.json:
        ask.print_json(answer)
    else:
        print(report_text.replay_text(ask.readable(answer)))
    return DONE


def both(changed: Mapping[str, float], stretch: Stretch) -> dict[str, Spells]:
    """Return what musterd said while a stretch was recorded, and what it would have said."""
    return {OURS: recorded(stretch)[OURS], REPLAYED: replayed(stretch, changed)}
