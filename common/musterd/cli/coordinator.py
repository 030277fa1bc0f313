"""``musterd coordinator`` watches the store and answers which members are up."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser, add_options
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd coordinator``."""
    example = "musterd coordinator --store memcached://mc1:11211,mc2:11211 --listen 127.0.0.1:8420"
    made = new_parser(name, example, Role.COORDINATOR)
    add_options(made, "interval")  # that of members who have not said theirs yet, and of Nova's
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Sweep and answer until told to stop."""
    return run_daemon("musterd_coordinator.main", parser(name).parse(argv))
