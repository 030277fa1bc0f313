"""``musterd agent`` beats for the members of this host."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd agent``."""
    example = "musterd agent --store memcached://mc1:11211,mc2:11211 --zone rack-12"
    return new_parser(name, example, Role.AGENT)


def run(name: str, argv: Sequence[str]) -> int:
    """Beat until told to stop."""
    return run_daemon("musterd_agent.main", parser(name).parse(argv))
