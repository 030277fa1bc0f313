"""``musterd history`` lists changes of state and orders, of a member, a zone, a group or all."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from musterd.answers import History, HistoryPage
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_json, group_name, member_name, number
from musterd.cli.arguments import parser as new_parser
from musterd.cli.spans import span
from musterd.errors import ConfigError
from musterd.model import Transition
from musterd.settings.options import Number, Role

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.client.calls import AskedOfHistory


def parser(name: str) -> Parser:
    """Return the command line of ``musterd history``."""
    example = (
        "musterd history compute host-0042\n  musterd history compute --zone rack-12 --since 1h"
    )
    made = new_parser(name, example, Role.READER)
    made.add_argument(
        "group_name", metavar="GROUP", nargs="?", type=group_name, help="the group; without it all"
    )
    made.add_argument(
        "member_name", metavar="MEMBER", nargs="?", type=member_name, help="the member's name"
    )
    made.add_argument("--zone", dest="only_zone", metavar="NAME", help="Only members of this zone.")
    made.add_argument(
        "--since", dest="past", type=span, metavar="T", help="Only the last 90s, 15min, 12h or 7d."
    )
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
    """List changes of state, of a member or many, newest first; return 0."""
    args = parser(name).parse(argv)
    if args.member_name and args.only_zone is not None:
        raise ConfigError("a member is in one zone; leave out the name, or --zone")
    since = None if args.past is None else render.now() - timedelta(seconds=args.past)
    with ask.client(args) as client:
        answer = _of_one(client, args, since) if args.member_name else _of_many(client, args, since)
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    return 0


def _of_one(client: "Client", args: Namespace, since: datetime | None) -> History:
    answer = client.history(args.group_name, args.member_name, limit=int(args.limit))
    if since is None:
        return answer
    return replace(answer, changes=[one for one in answer.changes if one.at >= since])


def _of_many(client: "Client", args: Namespace, since: datetime | None) -> HistoryPage:
    asked: AskedOfHistory = {"group": args.group_name, "zone": args.only_zone, "since": since}
    return HistoryPage(list(client.changes(limit=int(args.limit), **asked)), None)


def text(
    answer: History | HistoryPage, paint: render.Paint, now: datetime, *, width: int | None = None
) -> str:
    """Return one line a change, wrapped at ``width`` columns or those of the terminal."""
    changes, of_many = answer.changes, isinstance(answer, HistoryPage)
    columns: list[tuple[str, Callable[[Transition], str]]] = [
        ("AT", lambda one: render.moment(one.at)),
        ("AGO", lambda one: render.since(one.at, now)),
        ("MEMBER", lambda one: f"{one.group}/{one.member}"),
        ("CHANGE", lambda one: change_text(one, paint)),
        ("BY", by_text),
        ("SEEN BY", lambda one: one.coordinator),
        ("BECAUSE", lambda one: one.reason),  # the last, as it is wrapped first
    ]
    left_out = {
        "AGO": of_many,  # that has many columns as it is
        "MEMBER": not of_many,
        "BY": not any(one.actor for one in changes),
        "SEEN BY": of_many or len({one.coordinator for one in changes}) <= 1,
    }
    shown = [(header, cell) for header, cell in columns if not left_out.get(header)]
    rows = [[cell(one) for _, cell in shown] for one in changes]
    return render.table([header for header, _ in shown], rows, "no changes yet", width=width)


def by_text(change: Transition) -> str:
    """Say who gave an order, and from which address."""
    return f"{change.actor} from {change.address}" if change.address else change.actor


def change_text(change: Transition, paint: render.Paint) -> str:
    """Write a change as ``up -> down``."""
    return f"{render.state_text(change.old, paint)} -> {render.state_text(change.new, paint)}"
