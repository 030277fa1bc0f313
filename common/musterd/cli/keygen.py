"""``musterd keygen`` makes the key by which a fleet knows whose beat it is, or renews it."""

from collections.abc import Sequence
from pathlib import Path

from musterd.cli.arguments import Parser
from musterd.cli.arguments import parser as new_parser
from musterd.keyfiles import fleet_key_lines, make_fleet_key_file, rotate_fleet_key_file
from musterd.keys import new_fleet_key


def parser(name: str) -> Parser:
    """Return the command line of ``musterd keygen``."""
    made = new_parser(name, "musterd keygen --output /etc/musterd/fleet.key")
    where = made.add_mutually_exclusive_group()
    where.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="Make this file, which its owner alone may read. Default: print what would stand in it.",
    )
    where.add_argument(
        "--rotate",
        type=Path,
        metavar="FILE",
        help="Put a new key in front of the one in this file, which stays valid beside it.",
    )
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Make a fleet key, or renew one; 0."""
    args = parser(name).parse(argv)
    if args.rotate:
        rotate_fleet_key_file(args.rotate)
        print(
            f"{args.rotate} has a new key, and the one before it is still valid: bring the file to all"
            " coordinators and relays, then new keys to the agents"
        )
    elif args.output:
        make_fleet_key_file(args.output)
        print(
            f"{args.output} has a new key: name it as fleet_key_file on coordinators and relays, and"
            f" give each agent the key that `musterd key GROUP MEMBER --fleet-key {args.output}` prints"
        )
    else:
        print(fleet_key_lines(new_fleet_key()), end="")
    return 0
