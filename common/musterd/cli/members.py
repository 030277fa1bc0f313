"""``musterd members`` lists the members of a group."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from musterd.answers import MemberAnswer, MemberPage
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.model import Mark, State
from musterd.settings.options import Role

if TYPE_CHECKING:
    from musterd.client import Client


def parser(name: str) -> Parser:
    """Return the command line of ``musterd members``."""
    made = new_parser(name, "musterd members compute --down --zone rack-12", Role.READER)
    add_group(made)
    made.add_argument(
        "--state", choices=[state.value for state in State], help="Only members in this state."
    )
    made.add_argument(
        "--mark", choices=[mark.value for mark in Mark], help="Only members with this mark."
    )
    made.add_argument("--zone", dest="only_zone", metavar="NAME", help="Only members of this zone.")
    either = made.add_mutually_exclusive_group()
    either.add_argument("--up", action="store_true", help="Only members that one may talk to.")
    either.add_argument("--down", action="store_true", help="Only members that one may evacuate.")
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """List the members of a group; return 0."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = joined(list(pages(client, args)))
    if args.down:  # the API's up=false includes members that are merely unknown
        answer = msgspec.structs.replace(answer, members=[m for m in answer.members if m.down])
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    ask.note_staleness(answer.listening, answer.staleness)
    return 0


def pages(client: "Client", args: Namespace) -> Iterator[MemberPage]:
    """Return every page of the members that ``args`` ask for."""
    up = True if args.up else False if args.down else None
    state = State(args.state) if args.state else None
    mark = Mark(args.mark) if args.mark else None
    return client.pages(args.group_name, state=state, zone=args.only_zone, up=up, mark=mark)


def joined(pages: Sequence[MemberPage]) -> MemberPage:
    """Join pages into one, as fresh as the least fresh of them."""
    ages = [page.staleness for page in pages]
    return MemberPage(
        version=pages[-1].version,
        listening=all(page.listening for page in pages),
        staleness=None if None in ages else max(age for age in ages if age is not None),
        members=[member for page in pages for member in page.members],
        next=None,
        facts_age=max((page.facts_age for page in pages if page.facts_age), default=None),
    )


def text(answer: MemberPage, paint: render.Paint, now: datetime) -> str:
    """Return one line a member."""
    headers = ("MEMBER", "STATE", "FOR", "ZONE", "OWNER", "NOTES")
    return render.table(
        headers, (_row(one, paint, now) for one in answer.members), "no such members"
    )


def _row(member: MemberAnswer, paint: render.Paint, now: datetime) -> list[str]:
    return [
        member.member,
        render.stated(member, paint),
        render.since(member.since, now),
        member.zone or "-",
        member.owner or "-",
        "; ".join(render.marks(member)),
    ]
