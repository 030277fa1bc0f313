"""``musterd nova`` answers Nova's own driver ``mc`` on a controller, as the memcached that it asks."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd nova``."""
    example = "musterd nova --coordinator http://c1:8420,http://c2:8420 --nova-groups compute"
    return new_parser(name, example, Role.NOVA, Role.READER)


def run(name: str, argv: Sequence[str]) -> int:
    """Answer until told to stop."""
    return run_daemon("musterd_coordinator.nova.main", parser(name).parse(argv))
