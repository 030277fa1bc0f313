"""``musterd history`` lists a member's changes of state, with reasons."""

from collections.abc import Sequence
from datetime import datetime

from musterd.answers import History
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json, add_members, number
from musterd.cli.arguments import parser as new_parser
from musterd.model import Transition
from musterd.settings.options import Number, Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd history``."""
    made = new_parser(name, "musterd history compute host-0042", Role.READER)
    add_group(made)
    add_members(made, several=False)
    made.add_argument(
        "--limit",
        type=number(Number(1, 1000)),
        default=100,
        metavar="N",
        help="At most this many. Default: 100.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """List a member's changes of state, newest first; return 0."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.history(args.group_name, args.member_name, limit=args.limit)
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    return 0


def text(answer: History, paint: render.Paint, now: datetime) -> str:
    """Return one line a change."""
    headers: tuple[str, ...] = ("AT", "AGO", "CHANGE")
    rows = [
        [render.moment(one.at), render.since(one.at, now), change_text(one, paint)]
        for one in answer.changes
    ]
    if any(one.actor for one in answer.changes):
        headers = (*headers, "BY")
        rows = [[*row, by_text(one)] for row, one in zip(rows, answer.changes, strict=True)]
    headers = (*headers, "BECAUSE")
    rows = [[*row, one.reason] for row, one in zip(rows, answer.changes, strict=True)]
    if len({one.coordinator for one in answer.changes}) > 1:
        headers = (*headers, "SEEN BY")
        rows = [[*row, one.coordinator] for row, one in zip(rows, answer.changes, strict=True)]
    return render.table(headers, rows, "no changes yet")


def by_text(change: Transition) -> str:
    """Say who gave an order, and from which address."""
    return f"{change.actor} from {change.address}" if change.address else change.actor


def change_text(change: Transition, paint: render.Paint) -> str:
    """Write a change as ``up -> down``."""
    return f"{render.state_text(change.old, paint)} -> {render.state_text(change.new, paint)}"
