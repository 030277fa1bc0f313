"""``musterd watch``."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from musterd.cli import ask, complain, render
from musterd.cli.arguments import Parser, add_json, group_name, number
from musterd.cli.arguments import parser as new_parser
from musterd.errors import CoordinatorError, CoordinatorUnreachable, NotFound
from musterd.model import MemberAnswer
from musterd.options import Role, Seconds

if TYPE_CHECKING:
    from musterd.client import Client

_GONE = "forgotten"

Members = Mapping[tuple[str, str], MemberAnswer]


class Change(msgspec.Struct, frozen=True):
    """One line of ``watch``. ``old`` is None for a member that is new, ``new`` for one forgotten."""

    at: datetime
    group: str
    member: str
    old: str | None
    new: str | None
    reason: str


def parser(name: str) -> Parser:
    """The command line of ``musterd watch``."""
    made = new_parser(name, "musterd watch compute", Role.READER)
    made.add_argument(
        "group_name", metavar="GROUP", nargs="?", type=group_name, help="only this group"
    )
    made.add_argument(
        "--period",
        type=number(Seconds(0.1, 3600)),
        default=1.0,
        metavar="S",
        help="Seconds between looks. Default: 1.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print changes until interrupted."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        watcher = Watcher(client, args.group_name)
        while True:
            for change in watcher.look():
                if args.json:
                    ask.print_json(change, indent=0)
                else:
                    print(text(ask.readable(change), render.paint()))
            sys.stdout.flush()
            time.sleep(args.period)


class Watcher:
    """Looks at a coordinator again and again, and tells what changed since the last look."""

    def __init__(self, client: "Client", group: str | None) -> None:
        self._client, self._group = client, group
        self._version: int | None = None
        self._members: Members | None = None
        self._out_of_reach = False
        self._listening = True

    def look(self) -> list[Change]:
        """The changes since the last look; none, and a word once, when nobody answers."""
        try:
            members = self._snapshot()
        except (CoordinatorUnreachable, CoordinatorError) as error:
            if not self._out_of_reach:
                complain(f"{error}; looking again until it answers")
            self._out_of_reach = True
            return []
        if self._out_of_reach:
            complain("the coordinator answers again")
        self._out_of_reach = False
        return [] if members is None else self._changes(members)

    def _changes(self, members: Members) -> list[Change]:
        before, self._members = self._members, members
        if before is None:
            complain(
                f"watching {render.count(len(members), 'member')}{f' of {self._group}' * bool(self._group)}"
            )
            return []
        return list(changes(before, members, datetime.now(UTC)))

    def _snapshot(self) -> Members | None:
        """All members by group and name, or None when nothing changed."""
        answer = self._client.groups()
        if answer.listening != self._listening:
            complain(
                f"the coordinator {'hears' if answer.listening else 'does not hear'} its store"
            )
        self._listening = answer.listening
        if answer.version == self._version:
            return None
        groups = [one.group for one in answer.groups if self._group in (None, one.group)]
        found = {(one.group, one.member): one for group in groups for one in self._of(group)}
        self._version = answer.version
        return found

    def _of(self, group: str) -> Iterator[MemberAnswer]:
        try:
            yield from self._client.members(group)
        except NotFound:  # its last member was forgotten just now
            return


def changes(before: Members, after: Members, now: datetime) -> Iterator[Change]:
    """What is different ``after``, by group and name. ``now`` dates what has no date of its own."""
    for group, member in sorted({**before, **after}):
        old, new = before.get((group, member)), after.get((group, member))
        if condition(old) == condition(new):
            continue
        judged = new is not None and (old is None or old.state != new.state)
        at = new.since if new and old and judged else now
        # The reason is that of the state: it explains neither a mark nor an operator's own word.
        reason = new.reason if new and judged and not new.forced_down else ""
        yield Change(at, group, member, condition(old), condition(new), reason)


def condition(member: MemberAnswer | None) -> str | None:
    """A member's state and marks in a few words."""
    return None if member is None else ", ".join([member.state, *render.marks(member)])


def text(change: Change, paint: render.Paint) -> str:
    """One line for a person."""
    old, new = change.old or "new", change.new or _GONE
    because = f"  ({change.reason})" if change.reason else ""
    name = f"{change.group}/{change.member}"
    return (
        f"{render.moment(change.at)}  {name}  {old} -> {render.condition_text(new, paint)}{because}"
    )
