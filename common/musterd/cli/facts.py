"""``musterd disable``, ``enable``, ``force-down`` and ``unforce`` say what an operator wants."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musterd.answers import MemberAnswer
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.cli.orders import each
from musterd.errors import ConfigError
from musterd.model import FactsChange, check_text
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
    "disable": 'musterd disable compute host-0042 --reason "new disk"',
    "enable": "musterd enable compute host-0042",
    "force-down": 'musterd force-down compute host-0042 --reason "fenced by hand"',
    "unforce": "musterd unforce compute host-0042",
}


def parser(name: str) -> Parser:
    """Return the command line of one of the four."""
    made = new_parser(name, _EXAMPLES[name], Role.READER)
    add_group(made)
    add_members(made, several=True)
    if name in ("disable", "force-down"):
        made.add_argument("--reason", default="", help="Why, for whoever looks later.")
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Change the members named, one line each (``--json``: one object a line).

    Returns 0, or 1 when one of them is unknown: the others are changed.
    """
    args = parser(name).parse(argv)
    return change_all(args, change_of(name, getattr(args, "reason", "")))


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
    """Return the PATCH behind a command; raise ConfigError for an unusable reason."""
    if not reason:
        return FactsChange(**_CHANGES[name])
    if not reason.strip():
        raise ConfigError("--reason is blank; give one, or leave the option out")
    return FactsChange(**_CHANGES[name], reason=check_text("reason", reason))


def text(member: MemberAnswer, paint: render.Paint) -> str:
    """Say how a member stands after the change."""
    told = ", ".join([render.stated(member, paint), *render.marks(member)])
    return f"{member.group}/{member.member}: {told}"
