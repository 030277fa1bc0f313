"""``musterd notify`` tells a webhook, a program or an Alertmanager of incidents."""

from collections.abc import Sequence

from musterd.cli.arguments import Parser
from musterd.cli.arguments import parser as new_parser
from musterd.cli.daemon import run_daemon
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd notify``."""
    example = (
        "musterd notify --coordinator http://c1:8420,http://c2:8420 --alertmanager http://am1:9093\n"
        "  musterd notify --webhook https://pager.example.org/hooks/musterd --heartbeat 300"
    )
    return new_parser(name, example, Role.NOTIFY, Role.READER)


def run(name: str, argv: Sequence[str]) -> int:
    """Tell of incidents until told to stop."""
    return run_daemon("musterd_coordinator.notify.main", parser(name).parse(argv))
