"""``musterd watch`` prints every change of state as it happens."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from musterd.cli import ask, complain, render
from musterd.cli.arguments import Parser, add_json, group_name, number, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import AccessDenied, MusterdError, NotFound
from musterd.settings.login import token_of
from musterd.settings.options import Role, Seconds

if TYPE_CHECKING:
    from musterd.cli.journal import Change
    from musterd.client.choice import Address
    from musterd.tls import Tls

_GONE = "forgotten"


def parser(name: str) -> Parser:
    """Return the command line of ``musterd watch``."""
    import argparse

    made = new_parser(name, "musterd watch compute", Role.READER)
    made.add_argument(
        "group_name", metavar="GROUP", nargs="?", type=group_name, help="only this group"
    )
    # Changes come by themselves: scripts from the time when it polled may still give it.
    made.add_argument("--period", type=number(Seconds(0.1, 3600)), help=argparse.SUPPRESS)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print changes until interrupted."""
    args = parser(name).parse(argv)
    loaded = settings_of(args)
    urls, token = loaded.settings.coordinator, token_of(loaded)
    import anyio  # after a wrong configuration was refused: it is heavy

    from musterd.tls import client_tls

    show = print_json if args.json else print_text
    watch = EventPrinter(urls, args.group_name, show, token, client_tls(loaded.settings))
    try:
        anyio.run(watch.run)
    except ExceptionGroup as group:
        raise _first(group) from None
    return 0


class EventPrinter:
    """An ``EventPrinter`` follows the events of one of several coordinators and prints changes.

    It says on standard error how well it hears them.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        group: str | None,
        show: "Callable[[Change], None]",
        token: str | None = None,
        tls: "Tls | None" = None,
    ) -> None:
        from musterd.cli.journal import Journal
        from musterd.client.follow import Follower

        self._journal = Journal(group)
        self._follower = Follower(urls, self._journal, self, token=token, tls=tls)
        self._show = show
        self._followed: Address | None = None
        self._lost: set[Address] = set()  # since one was followed
        self._listening = True

    async def run(self) -> None:
        """Print changes for ever."""
        await self._follower.run()

    def on_connect(self, address: "Address") -> None:
        """Say which coordinator is followed, where that is news."""
        if self._followed is None:
            self._print_heading(address)
        elif address != self._followed:
            complain(f"{address} is followed now")
        elif self._lost:
            complain(f"{address} answers again")
        self._followed = address
        self._lost.clear()

    def on_update(self) -> None:
        """Print what changed."""
        self._print_changes()
        if self._journal.listening != self._listening:
            hears = "hears" if self._journal.listening else "does not hear"
            complain(f"the coordinator {hears} its store")
        self._listening = self._journal.listening

    def on_disconnect(self, address: "Address", error: MusterdError) -> None:
        """Say once of each coordinator why it is not followed. No token mends itself: that ends it."""
        if isinstance(error, AccessDenied):
            raise error
        if address not in self._lost:
            complain(f"{address}: {error}; {self._next(error)}")
        self._lost.add(address)
        if isinstance(error, NotFound):  # that is an answer: there is no such group
            self._journal.nobody()
            self._print_changes()

    def _next(self, error: MusterdError) -> str:
        if self._several:
            return "trying the others"
        return f"looking again until it {'comes' if isinstance(error, NotFound) else 'answers'}"

    @property
    def _several(self) -> bool:
        return len(self._follower.addresses) > 1

    def _print_heading(self, address: "Address") -> None:
        of = f" of {self._journal.group}" if self._journal.group else ""
        at = f" at {address}" if self._several else ""
        complain(f"watching {render.count(len(self._journal.members), 'member')}{of}{at}")

    def _print_changes(self) -> None:
        for change in self._journal.news():
            self._show(change)
        sys.stdout.flush()


def print_json(change: "Change") -> None:
    """Print one line for a program."""
    ask.print_json(change, indent=0)


def print_text(change: "Change") -> None:
    """Print one line for a person."""
    print(text(ask.readable(change), render.paint()))


def text(change: "Change", paint: render.Paint) -> str:
    """Return one line for a person, without its end."""
    old, new = change.old or "new", change.new or _GONE
    because = f"  ({change.reason})" if change.reason else ""
    by = f"  by {change.actor}" if change.actor else ""
    zone = f" in {change.zone}" if change.zone else ""
    name = f"{change.group}/{change.member}{zone}"
    became = render.condition_text(new, paint)
    return f"{render.moment(change.at)}  {name}  {old} -> {became}{because}{by}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what was raised in a task group, as if it had been raised outside."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
