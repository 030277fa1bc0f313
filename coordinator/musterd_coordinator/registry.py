"""What must survive: the facts about members, their last states, and the history of both.

Kept apart from beats and never written at heartbeat rate. One Protocol, two homes: a SQLite file
(:mod:`musterd_coordinator.registry_sqlite`) and PostgreSQL (`registry_postgres`), the latter shared
by several coordinators.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from musterd.errors import ConfigError
from musterd.model import Facts, Member, State, Transition

Row = tuple[Any, ...]
"""What is written of a member, or of a change: see :mod:`musterd_coordinator.registry_rows`."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One member as the registry knows it."""

    member: Member  # as its agent last announced it
    facts: Facts  # what operators said on top of that
    state: State
    reason: str
    since: datetime
    first_seen: datetime
    interval: float  # seconds; as last promised by its agent, 0 when it never beat


@dataclass(frozen=True, slots=True)
class Portion:
    """n members as the registry knows them, by column.

    Most of a fleet differ in nothing but names and instants; what else there is to know stands in
    the samples, whose own names and instants mean nothing.
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
    """The same ``entries``, by column."""
    return Portion(
        [entry.member.name for entry in entries],
        [entry.since for entry in entries],
        [entry.first_seen for entry in entries],
        range(len(entries)),
        entries,
    )


class Registry(Protocol):
    """Where persistent facts live. Every call has a deadline and raises RegistryError."""

    url: str  # for people: without secrets

    async def open(self) -> None:
        """Connect, and create or upgrade the schema where this user may."""

    def load(self) -> AsyncIterator[Portion]:
        """Every member that was not forgotten, in portions."""

    async def changed(self) -> Sequence[Entry | tuple[str, str]]:
        """Members that *other* coordinators changed since the last call, as they are now.

        A ``(group, member)`` pair stands for one that was forgotten. Empty on SQLite.
        """

    async def record(self, members: Sequence[Row], history: Sequence[Row]) -> None:
        """In one transaction: insert members not known yet, save the states of all ``members``, of
        whom none may be there twice, and append to the history what is not in it yet.

        For members known already what is announced, state, reason, since and interval are
        written: facts are changed by :meth:`change_facts` alone, so a sweep never undoes an
        operator. A call that was given up may be made again, whether or not it was done.
        """

    async def change_facts(self, group: str, member: str, facts: Facts) -> None:
        """Replace a member's facts; on return they survive a kill -9 and a power cut."""

    async def forget(self, members: Sequence[tuple[str, str]]) -> None:
        """Drop members by group and name, all at once; their history stays until it is pruned.

        Idempotent.
        """

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """The newest ``limit`` state changes of a member, newest first."""

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; how many rows went."""

    async def aclose(self) -> None:
        """Close it."""


_HOMES = {
    "sqlite": "musterd_coordinator.registry_sqlite",
    "postgresql": "musterd_coordinator.registry_postgres",
    "postgres": "musterd_coordinator.registry_postgres",
}


def open_registry(url: str, *, namespace: str, timeout: float) -> Registry:
    """The registry that ``url`` names; opens nothing yet. Raises ConfigError for a bad URL."""
    scheme = url.partition(":")[0]
    if scheme not in _HOMES:
        raise ConfigError(
            f"registry URL begins with {scheme!r}; it must be one of {sorted(_HOMES)}"
        )
    home = import_module(_HOMES[scheme])
    registry: Registry = home.open_url(url, namespace=namespace, timeout=timeout)
    return registry
