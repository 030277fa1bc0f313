"""``musterd nova`` answers Nova's own driver ``mc`` on a controller, as the memcached that it asks."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from musterd.cli.arguments import Parser, add_options
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd nova``."""
    example = (
        "musterd nova --coordinator http://c1:8420,http://c2:8420\n"
        "  musterd nova --check /etc/nova/nova.conf"
    )
    made = new_parser(name, example, Role.NOVA, Role.READER)
    add_options(made, "interval")  # that of what is beaten and judged here
    made.add_argument(
        "--check",
        metavar="FILE",
        type=Path,
        help="Say what in this nova.conf would keep Nova from asking the door, or mislead it, and end:"
        " with status 1 where something does.",
    )
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Answer until told to stop, or say what is wrong with a nova.conf."""
    args: Namespace = parser(name).parse(argv)
    if args.check is None:
        return run_daemon("musterd_coordinator.nova.main", args)
    from musterd.cli.nova_check import check

    return check(args, args.check)
