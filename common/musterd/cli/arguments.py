"""Command lines have flags that follow from the declared options, and errors of one line."""

import argparse
import os
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

from musterd.cli import COMMANDS
from musterd.errors import ConfigError
from musterd.model import check_name
from musterd.settings.options import Number, OptionTable, Role, Unusable
from musterd.settings.settings import OPTIONS, default_text
from musterd.settings.sources import Loaded, environment_in, load, nearest


class Parser(argparse.ArgumentParser):
    """A ``Parser`` is argparse's, but its errors are ConfigErrors that name the nearest option."""

    _argv: Sequence[str] = ()
    intermixed = False  # words that may be left out may stand after options, too

    def error(self, message: str) -> NoReturn:
        # A word that is mistaken explains a word that is missing.
        for word in takewhile("--".__ne__, self._argv) if "required" in message else ():
            if word.startswith("-") and word.partition("=")[0] not in self._option_string_actions:
                self._refuse(word)
        raise ConfigError(f"{message}; see {self.prog} --help")

    def _refuse(self, word: str) -> NoReturn:
        hint = nearest(word.partition("=")[0], self._option_string_actions)
        raise ConfigError(
            f"{word!r} means nothing to {self.prog}{hint or f'; see {self.prog} --help'}"
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the arguments in ``argv``; raise ConfigError for a word without a meaning here."""
        self._argv = argv
        read = self.parse_known_intermixed_args if self.intermixed else self.parse_known_args
        args, strange = read(argv)
        if strange:
            self._refuse(strange[0])
        return args


def parser(name: str, example: str, *roles: Role) -> Parser:
    """Return a parser for the sub-command ``name``, with the options that ``roles`` read."""
    made = Parser(**about(name, COMMANDS[name].summary, example))
    # A command that only asks a coordinator takes them all, for scripts, and heeds none.
    take_options(made, *roles, hidden=roles == (Role.READER,))
    return made


def about(name: str, summary: str, example: str) -> dict[str, Any]:
    """Return what makes a :class:`Parser` one for the command, or the verb of one, ``name``."""
    return {
        "prog": f"musterd {name}",
        "description": summary[0].upper() + summary[1:] + ".",
        "epilog": f"example:\n  {example}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def take_options(made: argparse.ArgumentParser, *roles: Role, hidden: bool = False) -> None:
    """Let a command take the options that ``roles`` read, and those of all: ``hidden`` ones."""
    for role in roles:
        _add_flags(made.add_argument_group(_TITLES[role]), role)
    for shared in (Role.DOOR, Role.LISTENER):
        if any(shared.includes(role) for role in roles):
            _add_flags(made.add_argument_group(_TITLES[shared]), shared)
    _add_flags(made.add_argument_group(_TITLES[Role.CONNECTION]), Role.CONNECTION)
    common = made.add_argument_group("common options")
    common.add_argument("--config", metavar="FILE|DIR", help=_CONFIG_HELP)
    _add_flags(common, Role.EVERYONE, hidden=hidden)


def add_options(made: argparse.ArgumentParser, *keys: str) -> None:
    """Give a command only these of the options that a daemon reads."""
    for key in keys:
        _add_flag(made, key, hidden=False)


def _add_flags(flags: argparse._ArgumentGroup, role: Role, *, hidden: bool = False) -> None:
    for key, option in OPTIONS.items():
        if option.role is role:
            _add_flag(flags, key, hidden=hidden)


def _add_flag(flags: argparse._ActionsContainer, key: str, *, hidden: bool) -> None:
    option = OPTIONS[key]
    described = f"{option.help} Default: {default_text(key)}.".replace("%", "%%")
    flags.add_argument(
        option.flag(key),
        dest=key,
        action="append" if isinstance(option.kind, OptionTable) else "store",
        metavar=option.kind.metavar,
        help=argparse.SUPPRESS if hidden or option.private else described,
    )


_TITLES = {
    Role.CONNECTION: "what is reached by TLS",
    Role.LISTENER: "whoever listens",
    Role.AGENT: "options of the agent",
    Role.COORDINATOR: "options of the coordinator",
    Role.RELAY: "options of the relay",
    Role.DOOR: "how a stock Nova asks who is up",
    Role.NOVA: "options of the door to Nova",
    Role.NOTIFY: "whom to tell, and how",
    Role.READER: "which coordinator",
}
_CONFIG_HELP = (
    "Read this file, TOML or an existing nova.conf. Default: $MUSTERD_CONFIG, else"
    " /etc/musterd/musterd.toml where it exists."
)


def add_json(made: argparse.ArgumentParser) -> None:
    """Give a command that prints data its ``--json``."""
    made.add_argument("--json", action="store_true", help="Print JSON instead of text.")


def number(kind: Number) -> Callable[[str], float]:
    """Return an argparse ``type`` for a flag that is no option: a number as ``kind`` takes it."""

    def read(text: str) -> float:
        try:
            return kind.read_text(text)
        except Unusable as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not usable; use {error}") from None

    return read


def group_name(text: str) -> str:
    """Return ``text`` as the positional argument GROUP; raise ConfigError if it cannot be one."""
    return check_name("group", text)


def member_name(text: str) -> str:
    """Return ``text`` as the positional argument MEMBER; raise ConfigError if it cannot be one."""
    return check_name("member", text)


def add_group(made: argparse.ArgumentParser) -> None:
    """Add the positional argument GROUP."""
    made.add_argument("group_name", metavar="GROUP", type=group_name, help="the group's name")


def add_any_members(made: Parser) -> None:
    """Add the positional arguments MEMBER, of which there may be none."""
    made.intermixed = True
    made.add_argument(
        "member_names", metavar="MEMBER", nargs="*", type=member_name, help="names of members"
    )


def add_members(made: argparse.ArgumentParser, *, several: bool) -> None:
    """Add the positional argument MEMBER, or one or more of them."""
    made.add_argument(
        "member_names" if several else "member_name",
        metavar="MEMBER",
        nargs="+" if several else None,
        type=member_name,
        help="names of members" if several else "the member's name",
    )


def add_env_file(made: argparse.ArgumentParser) -> None:
    """Give a command that stands in for a daemon the environment that systemd gives the daemon."""
    made.add_argument(
        "--env-file",
        metavar="FILE",
        type=Path,
        help="Take the variables of this file as well, as a unit with EnvironmentFile= does.",
    )


def settings_of(args: argparse.Namespace) -> Loaded:
    """Return the settings behind parsed arguments, the environment and the file."""
    values = {key: getattr(args, key, None) for key in OPTIONS}
    file = getattr(args, "env_file", None)
    environ = {**os.environ, **environment_in(file)} if file else os.environ
    return load(values, environ, Path(args.config) if args.config else None)
