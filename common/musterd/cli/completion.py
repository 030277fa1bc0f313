"""``musterd completion`` prints what a shell reads to complete musterd's command lines."""

from collections.abc import Sequence

from musterd.cli import COMMANDS
from musterd.cli.arguments import Parser, about
from musterd.cli.shells import SHELLS
from musterd.cli.synopsis import every_synopsis

_EXAMPLE = "musterd completion bash > /usr/share/bash-completion/completions/musterd"


def parser(name: str) -> Parser:
    """Return the command line of ``musterd completion``."""
    made = Parser(**about(name, COMMANDS[name].summary, _EXAMPLE))
    made.add_argument("shell", metavar="SHELL", choices=list(SHELLS), help="bash, zsh or fish")
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print the completion for a shell; return 0."""
    args = parser(name).parse(argv)
    print(SHELLS[args.shell](list(every_synopsis())), end="")
    return 0
