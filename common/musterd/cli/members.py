"""``musterd members`` lists the members of a group."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from musterd.answers import GroupAnswer, MemberAnswer, MemberPage
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json, number
from musterd.cli.arguments import parser as new_parser
from musterd.cli.selecting import add_selectors
from musterd.model import Mark, SortKey, SortOrder, State
from musterd.settings.options import Number, Role

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.client.calls import Asked

ON_A_SCREEN = 200
"""Members that a terminal is shown unless more are asked for; files and pipes get all."""

_EVERYBODY = 2**31


def parser(name: str) -> Parser:
    """Return the command line of ``musterd members``."""
    example = "musterd members compute --down --zone rack-12\n"
    example += "  musterd members compute --match r7 --sort since --order desc --limit 20"
    made = new_parser(name, example, Role.READER)
    add_group(made)
    add_selectors(made)
    made.add_argument("--cause", metavar="WORD", help="Only members that last changed for this.")
    either = made.add_mutually_exclusive_group()
    either.add_argument("--up", action="store_true", help="Only members that one may talk to.")
    either.add_argument("--down", action="store_true", help="Only members that one may evacuate.")
    made.add_argument(
        "--sort",
        choices=[key.value for key in SortKey],
        default=SortKey.NAME.value,
        help="By name, by when it last changed, or by how long it is silent. Default: name.",
    )
    made.add_argument(
        "--order",
        choices=[order.value for order in SortOrder],
        default=SortOrder.ASC.value,
        help="Ascending, or the newest change or longest silence first. Default: asc.",
    )
    made.add_argument(
        "--limit",
        type=number(Number(1, _EVERYBODY)),
        metavar="N",
        help=f"At most this many. Default: all, or {ON_A_SCREEN} on a terminal.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """List the members of a group; return 0."""
    args = parser(name).parse(argv)
    screen = sys.stdout.isatty() and not args.json
    limit = int(args.limit or (ON_A_SCREEN if screen else _EVERYBODY))
    with ask.client(args) as client:
        answer = listed(client, args, limit)
        known = client.group(args.group_name) if screen else None
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    if known is not None:
        print(summary(known, answer, render.paint()))
    elif answer.next is not None and not args.json:
        print(f"musterd: note: {_shown(answer)}", file=sys.stderr)
    ask.note_staleness(answer.listening, answer.staleness)
    return 0


def listed(client: "Client", args: Namespace, limit: int) -> MemberPage:
    """Return up to ``limit`` members that ``args`` ask for as one page; ``next`` is the rest's, if any."""
    asked, pages, left = _asked(args), list[MemberPage](), limit
    if not args.down:
        asked["limit"] = min(limit, 1000)
    for page in client.pages(args.group_name, **asked):
        members = page.members
        if args.down:  # the API's up=false includes members that are merely unknown
            members = [one for one in members if one.down]
        # A name in the middle of a page is no place in another order, but says that there are more.
        following = members[left - 1].member if len(members) > left else page.next
        members = members[:left]
        pages.append(msgspec.structs.replace(page, members=members, next=following))
        left -= len(members)
        if left <= 0:
            break
    return joined(pages)


def _asked(args: Namespace) -> "Asked":
    return {
        "state": State(args.only_state) if args.only_state else None,
        "zone": args.only_zone,
        "up": True if args.up else False if args.down else None,
        "mark": Mark(args.only_mark) if args.only_mark else None,
        "match": args.only_match,
        "owner": args.only_owner,
        "cause": args.cause,
        "sort": SortKey(args.sort),
        "order": SortOrder(args.order),
    }


def joined(pages: Sequence[MemberPage]) -> MemberPage:
    """Join pages into one, as fresh as the least fresh of them."""
    ages = [page.staleness for page in pages]
    return MemberPage(
        version=pages[-1].version,
        listening=all(page.listening for page in pages),
        staleness=None if None in ages else max(age for age in ages if age is not None),
        members=[member for page in pages for member in page.members],
        next=pages[-1].next,
        facts_age=max((page.facts_age for page in pages if page.facts_age), default=None),
    )


def summary(known: GroupAnswer, answer: MemberPage, paint: render.Paint) -> str:
    """Return a line about the whole group, and whether more could be shown."""
    states = ", ".join(
        f"{render.state_count(state, count, paint)} {state.value}"
        for state, count in known.states.items()
        if count
    )
    told = f"{render.count(known.members, 'member')} of {known.group}: {states}"
    return f"{told}; {_shown(answer)}" if answer.next is not None else told


def _shown(answer: MemberPage) -> str:
    return f"the first {len(answer.members)} are shown, --limit shows more"


def text(answer: MemberPage, paint: render.Paint, now: datetime) -> str:
    """Return one line a member; why it is so, where any is not well."""
    headers = ["MEMBER", "STATE", "FOR", "ZONE", "OWNER", "NOTES"]
    rows = [_row(one, paint, now) for one in answer.members]
    if any(map(_is_unwell, answer.members)):
        headers.append("WHY")
        for row, one in zip(rows, answer.members, strict=True):
            row.append(_why(one) if _is_unwell(one) else "")
    return render.table(headers, rows, "no such members")


def _is_unwell(member: MemberAnswer) -> bool:
    return member.down or member.conflict or member.state is State.SUSPECT


def _row(member: MemberAnswer, paint: render.Paint, now: datetime) -> list[str]:
    return [
        member.member,
        render.stated(member, paint),
        render.since(member.since, now),
        member.zone or "-",
        member.owner or "-",
        "; ".join(render.marks(member)),
    ]


def _why(member: MemberAnswer) -> str:
    """Return the reason of its state, without the order that its notes have."""
    order = next(iter(render.marks(member)), "") if member.forced_down else ""
    return member.reason.removeprefix(f"{order}; ")
