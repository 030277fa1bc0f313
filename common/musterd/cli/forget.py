"""``musterd forget`` drops members that will not come back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from musterd.cli import ask
from musterd.cli.arguments import Parser, add_group, add_json, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.cli.orders import each
from musterd.settings.options import Role

if TYPE_CHECKING:
    from musterd.client import Client


def parser(name: str) -> Parser:
    """Return the command line of ``musterd forget``."""
    made = new_parser(name, "musterd forget compute host-0042", Role.READER)
    add_group(made)
    add_members(made, several=True)
    made.add_argument(
        "--force",
        action="store_true",
        help="Even while it is up. Its agent brings it back with the next beat.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Forget the members named.

    Returns 0, or 1 when one is up or unknown: the others are forgotten.
    """
    args = parser(name).parse(argv)

    def forget(client: "Client", member: str) -> None:
        client.forget(args.group_name, member, force=args.force)
        if args.json:
            ask.print_json(
                {"group": args.group_name, "member": member, "forgotten": True}, indent=0
            )
        else:
            print(f"{args.group_name}/{member}: forgotten", flush=True)

    return each(args, forget)
