"""``musterd relay`` takes agents' beats and writes them to a database in batches."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd relay``."""
    example = "musterd relay --store postgresql://musterd@db1/fleet --relay-listen 127.0.0.1:11411"
    return new_parser(name, example, Role.RELAY)


def run(name: str, argv: Sequence[str]) -> int:
    """Take beats and write them until told to stop."""
    return run_daemon("musterd_coordinator.relay.main", parser(name).parse(argv))
