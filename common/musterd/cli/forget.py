"""``musterd forget``."""

from collections.abc import Sequence

from musterd.cli import ask
from musterd.cli.arguments import Parser, add_group, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.options import Role


def parser(name: str) -> Parser:
    """The command line of ``musterd forget``."""
    made = new_parser(name, "musterd forget compute host-0042", Role.READER)
    add_group(made)
    add_members(made, several=True)
    made.add_argument(
        "--force",
        action="store_true",
        help="Even while it is up. Its agent brings it back with the next beat.",
    )
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Forget the members named; 0, or 1 when one is up or unknown."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        for member in args.member_names:
            client.forget(args.group_name, member, force=args.force)
            print(f"{args.group_name}/{member}: forgotten", flush=True)
    return 0
