"""``musterd demo`` kills hosts and breaks a store on this machine, for people to watch."""

import argparse
from collections.abc import Sequence
from importlib import import_module

from musterd.cli import COMMANDS
from musterd.cli.arguments import Parser, number
from musterd.settings.options import Number


def parser(name: str) -> Parser:
    """Return the command line of ``musterd demo``."""
    made = Parser(
        prog=f"musterd {name}",
        description=f"{COMMANDS[name].summary.capitalize()}. Takes about 45 seconds.",
        epilog="example:\n  musterd demo --members 1000 --keep\n  musterd demo --nova",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--members",
        type=number(Number(1, 100_000)),
        default=200,
        metavar="N",
        help="How many. Default: 200, and with --nova always.",
    )
    made.add_argument(
        "--nova",
        action="store_true",
        help="An OpenStack's hosts instead, by Nova's own code in build/nova, which make demo ARGS=--nova"
        " brings; three minutes.",
    )
    made.add_argument("--keep", action="store_true", help="Leave everything running at the end.")
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Tell the story; return 0 if every step went as told."""
    args = parser(name).parse(argv)
    status: int = import_module("musterd_coordinator.demo").run(args)
    return status
