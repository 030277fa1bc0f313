"""``musterd set`` says a member's zone, owner or metadata in its agent's place."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from musterd.cli.arguments import Parser, add_group, add_json, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.cli.facts import change_all
from musterd.errors import ConfigError
from musterd.model import FactsChange, check_text
from musterd.settings.options import Role, Unusable
from musterd.settings.settings import OPTIONS

_SETTABLE = ("zone", "owner", "metadata")


def parser(name: str) -> Parser:
    """Return the command line of ``musterd set``."""
    example = "musterd set compute host-0042 --zone rack-12 --meta cpu=epyc\n"
    example += "  musterd set compute host-0042 --unset zone"
    made = new_parser(name, example, Role.READER)
    add_group(made)
    add_members(made, several=True)
    # Not under the names of an agent's own options: those have defaults of their own.
    made.add_argument("--zone", dest="new_zone", metavar="NAME", help="The failure domain.")
    made.add_argument("--owner", dest="new_owner", metavar="NAME", help="Whom to ask about it.")
    made.add_argument(
        "--meta",
        dest="new_metadata",
        metavar="K=V",
        action="append",
        help="A fact by name; all that are given take the place of all that its agent announces.",
    )
    made.add_argument(
        "--unset",
        choices=_SETTABLE,
        action="append",
        default=[],
        help="Let what its agent announces hold again.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Change the members named, one line each; return 0, or 1 when one of them is unknown."""
    args = parser(name).parse(argv)
    return change_all(args, change_of(args))


def change_of(args: Namespace) -> FactsChange:
    """Return the PATCH behind the arguments.

    Raises ConfigError where they say nothing, or two things.
    """
    given: dict[str, Any] = {
        key: value for key in _SETTABLE if (value := _given(args, key)) is not None
    }
    if twice := sorted(given.keys() & set(args.unset)):
        raise ConfigError(f"{twice[0]} is both set and unset; say one of them")
    if not given and not args.unset:
        raise ConfigError("nothing to set: give --zone, --owner, --meta or --unset")
    unset: dict[str, Any] = dict.fromkeys(args.unset)
    return FactsChange(**given, **unset)


def _given(args: Namespace, key: str) -> Any:
    value = getattr(args, f"new_{key}")
    if value is None:
        return None
    if key != "metadata":
        return check_text(key, value)
    try:
        return OPTIONS["metadata"].kind.read_text(value)
    except Unusable as error:
        raise ConfigError(f"--meta: {' '.join(value)!r} is not usable; use {error}") from None
