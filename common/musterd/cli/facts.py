"""``musterd disable``, ``enable``, ``force-down`` and ``unforce`` say what an operator wants."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from musterd.answers import MemberAnswer
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_any_members, add_group, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.cli.many import add_whom, give, is_for_many, reason_of
from musterd.cli.orders import each
from musterd.cli.selecting import selector_of
from musterd.model import FactsChange
from musterd.orders import GroupOrder
from musterd.settings.options import Role

if TYPE_CHECKING:
    from musterd.client import Client

_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "disable": {"disabled": True},
    "enable": {"disabled": False},
    "force-down": {"forced_down": True},
    "unforce": {"forced_down": False},
}
_EXAMPLES = {
    "disable": 'musterd disable compute host-0042 --reason "new disk"\n'
    '  musterd disable compute --zone rack-12 --reason "new switch" --dry-run',
    "enable": "musterd enable compute host-0042",
    "force-down": 'musterd force-down compute host-0042 --reason "fenced by hand"\n'
    '  musterd force-down compute --zone rack-12 --state suspect --reason "PDU burnt"',
    "unforce": "musterd unforce compute host-0042",
}


def parser(name: str) -> Parser:
    """Return the command line of one of the four."""
    made = new_parser(name, _EXAMPLES[name], Role.READER)
    add_group(made)
    add_any_members(made)
    add_whom(made)
    if name in ("disable", "force-down"):
        made.add_argument("--reason", default="", help="Why, for whoever looks later.")
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Change the members named, one line each (``--json``: one object a line), or many by one order.

    Returns 0, or 1 when one of them is unknown: the others are changed.
    """
    args = parser(name).parse(argv)
    selector, reason = selector_of(args), reason_of(args)
    if not is_for_many(args, selector):
        return change_all(args, change_of(name, reason))
    with ask.client(args) as client:
        return give(client, args, GroupOrder(**_CHANGES[name], reason=reason), selector)


def change_all(args: Namespace, change: FactsChange) -> int:
    """Change every member that ``args`` name; return 0, or 1 when one of them was refused."""

    def change_one(client: "Client", member: str) -> None:
        answer = client.change_facts(args.group_name, member, change)
        if args.json:
            ask.print_json(answer, indent=0)
        else:
            print(text(ask.readable(answer), render.paint()), flush=True)

    return each(args, change_one)


def change_of(name: str, reason: str) -> FactsChange:
    """Return the PATCH behind a command."""
    return FactsChange(**_CHANGES[name], reason=reason or UNSET)


def text(member: MemberAnswer, paint: render.Paint) -> str:
    """Say how a member stands after the change."""
    told = ", ".join([render.stated(member, paint), *render.marks(member)])
    return f"{member.group}/{member.member}: {told}"
