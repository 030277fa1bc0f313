"""The module says what must survive: members' facts and last states, and the history of both.

It is kept apart from beats and never written at heartbeat rate. One Protocol, three homes: a SQLite
file (:mod:`musterd_coordinator.registry.sqlite`), PostgreSQL
(:mod:`musterd_coordinator.registry.postgres`) and MariaDB (:mod:`musterd_coordinator.registry.mysql`),
the latter two shared by several coordinators.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from musterd.errors import ConfigError
from musterd.model import Facts, Member, State, Transition
from musterd.stores.mysql.store import check_driver
from musterd_coordinator.registry.past import (
    COUNTED,
    LOOKED_AT,
    ChangeCounts,
    HistorySpan,
    LinePage,
    Position,
)
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.tokens import TokenShelf

Row = tuple[Any, ...]
"""What is written of a member, or of a change: see :mod:`musterd_coordinator.registry.rows`."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An `Entry` is one member as the registry knows it."""

    member: Member  # as its agent last announced it
    facts: Facts  # what operators said on top of that
    state: State
    reason: str
    since: datetime
    first_seen: datetime
    interval: float  # seconds; as last promised by its agent, 0 when it never beat


@dataclass(frozen=True, slots=True)
class Portion:
    """A `Portion` is n members as the registry knows them, by column.

    Most of a fleet differ in nothing but names and instants; what else there is to know stands in
    the samples, the names and instants of which mean nothing.
    """

    names: Sequence[str]
    since: Sequence[datetime]
    first_seen: Sequence[datetime]
    kinds: Sequence[int]  # which of the samples is like the member
    samples: Sequence[Entry]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Entry]:
        columns = zip(self.names, self.since, self.first_seen, self.kinds, strict=True)
        for name, since, first_seen, kind in columns:
            like = self.samples[kind]
            member = replace(like.member, name=name)
            yield replace(like, member=member, since=since, first_seen=first_seen)


def portion_of(entries: Sequence[Entry]) -> Portion:
    """Return the same ``entries``, by column."""
    return Portion(
        [entry.member.name for entry in entries],
        [entry.since for entry in entries],
        [entry.first_seen for entry in entries],
        range(len(entries)),
        entries,
    )


class Gone(NamedTuple):
    """A `Gone` is a member that was forgotten; all forgotten together share one ``number``."""

    group: str
    name: str
    number: int


ChangeFacts = Callable[[Facts], Facts]


class FactsChanged(NamedTuple):
    """A `FactsChanged` is what the registry had of the member ``name`` before and after an order."""

    name: str
    before: Facts
    after: Facts


class Registry(Protocol):
    """A `Registry` keeps persistent facts. Every call has a deadline and raises RegistryError."""

    url: str  # for people: without secrets
    shared: bool  # with other coordinators, perhaps
    quarantine: RowQuarantine  # rows that made no sense when they were read

    @property
    def tokens(self) -> TokenShelf:
        """Return where it keeps tokens."""

    async def open(self) -> None:
        """Connect, and create or upgrade the schema where this user may."""

    def load(self) -> AsyncIterator[Portion]:
        """Yield every member that was not forgotten, in portions.

        Rows that make no sense are left out, and put into ``quarantine``.
        """

    async def changed(self) -> Sequence[Entry | Gone]:
        """Return members that *other* coordinators changed since the last call, as they are now.

        Empty on SQLite.
        """

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        """Save members, their states and their history in one transaction.

        Members not known yet are inserted, the states of all ``members`` saved, none of which may
        be there twice, and what is not in the history yet is appended to it.

        For members known already what is announced, state, reason, since and interval are written:
        facts are changed by :meth:`change_facts` alone, so a sweep never undoes an operator. A call
        that was given up may be made again, whether or not it was done.

        A member that was forgotten stays so, whichever coordinator saves a state of it, unless its
        forgetting is one of the ``known``, by number: only then is this news of it. Raises
        RegistryRefused if something of all this cannot be kept; then nothing is.
        """

    async def change_facts(self, group: str, member: str, change: ChangeFacts) -> Facts:
        """Replace a member's facts by what ``change`` makes of them, and return that.

        On return they survive a kill -9 and a power cut. Nothing is written where ``change``
        changes nothing.
        """

    async def change_facts_of(
        self, group: str, members: Sequence[str], change: ChangeFacts
    ) -> Sequence[FactsChanged]:
        """Do :meth:`change_facts` for many ``members`` of a group, all at once or not at all.

        ``change`` is asked once for all that have the same facts. Members that are not known are left
        out of what is returned.
        """

    async def forget(self, members: Sequence[tuple[str, str]]) -> int:
        """Drop members by group and name, all at once; their history stays until it is pruned.

        Idempotent. Returns the number of this forgetting; 0 where no other coordinator needs to
        know.
        """

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """Return the newest ``limit`` state changes of a member, by when they were recorded.

        The newest comes first.
        """

    async def changes(
        self, stretch: HistorySpan, before: Position | None, limit: int, most: int = LOOKED_AT
    ) -> LinePage:
        """Return the newest ``limit`` lines of a ``stretch`` before another, newest first, by when they were.

        At most so many are looked at: a page may have fewer, or none, and be followed by others.
        """

    async def count_changes(
        self, stretch: HistorySpan, step: int, most: int = COUNTED
    ) -> ChangeCounts:
        """Count the changes of state of a ``stretch``, by steps of so many seconds, of its newest lines."""

    async def newest(self) -> datetime | None:
        """Return when the newest line of history was written, by its writer's clock."""

    async def names_after(self, group: str, name: str, limit: int) -> Sequence[tuple[str, str]]:
        """Return the next ``limit`` members by group and name; fewer when there are no more."""

    async def lacking(self, names: Sequence[tuple[str, str]]) -> Sequence[Gone]:
        """Return those of ``names`` that are not there: forgotten, or (number 0) never heard of."""

    async def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[Entry | Gone]:
        """Return what stands there of each of ``names`` that is there."""

    async def exchange_reports(self, text: str) -> Sequence[tuple[str, float, str]]:
        """Leave ``text`` (JSON) for other coordinators; return what they left.

        That is their names, the ages of their texts in seconds, and the texts.
        """

    async def prune_forgotten(self, keep: timedelta) -> None:
        """Drop what was kept of members that were forgotten longer ago than ``keep``.

        It was kept so that other coordinators hear of it.
        """

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; return how many rows went."""

    async def aclose(self) -> None:
        """Close it."""


_HOMES = {
    "sqlite": "musterd_coordinator.registry.sqlite",
    "postgresql": "musterd_coordinator.registry.postgres",
    "postgres": "musterd_coordinator.registry.postgres",
    "mysql": "musterd_coordinator.registry.mysql",
    "mariadb": "musterd_coordinator.registry.mysql",
}


def open_registry(url: str, *, namespace: str, timeout: float, coordinator: str = "") -> Registry:
    """Return the registry that ``url`` names; opens nothing yet.

    Raises ConfigError for a bad URL, and where its driver is not installed.
    ``coordinator`` is the name that stands beside the lines of history that are recorded here.
    """
    scheme = url.partition(":")[0]
    if scheme not in _HOMES:
        raise ConfigError(
            f"registry URL begins with {scheme!r}; it must be one of {', '.join(sorted(_HOMES))}"
        )
    if _HOMES[scheme].endswith(".mysql"):
        check_driver()
    home = import_module(_HOMES[scheme])
    registry: Registry = home.open_url(
        url, namespace=namespace, timeout=timeout, coordinator=coordinator
    )
    return registry
