"""``musterd man`` prints a man page."""

from collections.abc import Sequence

from musterd.cli import COMMANDS
from musterd.cli.arguments import Parser, about
from musterd.cli.manual import man_pages
from musterd.errors import ConfigError
from musterd.settings.sources import nearest

_EXAMPLE = "musterd man agent | man -l -"


def parser(name: str) -> Parser:
    """Return the command line of ``musterd man``."""
    made = Parser(**about(name, COMMANDS[name].summary, _EXAMPLE))
    made.add_argument(
        "words",
        metavar="COMMAND",
        nargs="*",
        help="the command, and its verb, whose page is printed; without one musterd's own is",
    )
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print the page; return 0. Raises ConfigError where there is no such page."""
    print(_page_of(parser(name).parse(argv).words), end="")
    return 0


def _page_of(words: Sequence[str]) -> str:
    pages = man_pages()
    wanted = "-".join(["musterd", *words]) + ".1"
    if wanted not in pages:
        hint = nearest(wanted, pages)
        raise ConfigError(f"there is no page {wanted}{hint or '; see musterd man'}")
    return pages[wanted]
