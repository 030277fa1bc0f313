"""The options that say of which members of a group a command is."""

from argparse import ArgumentParser, Namespace

from msgspec import UNSET

from musterd.errors import ConfigError
from musterd.model import Mark, State
from musterd.orders import Selector


def add_selectors(made: ArgumentParser) -> None:
    """Add the options that fit some members."""
    made.add_argument(
        "--state",
        dest="only_state",
        choices=[state.value for state in State],
        help="Only members in this state.",
    )
    made.add_argument(
        "--mark",
        dest="only_mark",
        choices=[mark.value for mark in Mark],
        help="Only members with this mark.",
    )
    made.add_argument("--zone", dest="only_zone", metavar="NAME", help="Only members of this zone.")
    made.add_argument(
        "--match", dest="only_match", metavar="TEXT", help="Only members with this in their names."
    )
    made.add_argument(
        "--owner", dest="only_owner", metavar="NAME", help="Only members of this owner."
    )


def add_everybody(made: ArgumentParser) -> None:
    """Add the option for a whole group."""
    made.add_argument("--everybody", action="store_true", help="All members of the group.")


def selector_of(args: Namespace) -> Selector | None:
    """Return what ``args`` select, None where they name members; raise ConfigError for both or none."""
    given = {
        name: value
        for name in ("zone", "match", "owner")
        if (value := getattr(args, f"only_{name}")) is not None
    }
    selector = Selector(
        **given,
        state=State(args.only_state) if args.only_state else UNSET,
        mark=Mark(args.only_mark) if args.only_mark else UNSET,
    )
    chosen = selector != Selector()
    if chosen + args.everybody + bool(args.member_names) != 1:
        raise ConfigError(
            "say for whom: name members, or give --zone, --state, --match, --owner or --mark, or"
            " --everybody, and one of these ways alone"
        )
    if args.everybody:
        return Selector(everybody=True)
    return selector if chosen else None
