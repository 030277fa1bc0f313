"""``musterd key`` prints the key of one member."""

from collections.abc import Sequence
from pathlib import Path

from musterd.cli.arguments import Parser, add_group, add_members, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import ConfigError
from musterd.keyfiles import read_fleet_keys
from musterd.keys import member_key, member_key_text


def parser(name: str) -> Parser:
    """Return the command line of ``musterd key``."""
    made = new_parser(name, "musterd key compute host-0042 --fleet-key /etc/musterd/fleet.key")
    add_group(made)
    add_members(made, several=False)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print the key of one member, which follows from the fleet key in force; 0."""
    args = parser(name).parse(argv)
    settings = settings_of(args).settings
    if settings.fleet_key_file is None:
        raise ConfigError(
            "a member's key follows from the fleet key: name its file with --fleet-key;"
            " `musterd keygen --output FILE` makes one"
        )
    fleet = read_fleet_keys(Path(settings.fleet_key_file)).current
    key = member_key(fleet, settings.namespace, args.group_name, args.member_name)
    print(member_key_text(key))
    return 0
