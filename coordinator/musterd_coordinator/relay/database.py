"""The module says what a relay asks of its database, whichever that is.

Two relays that hold beats of the same members, as while agents change over, must not wait for each
other in a ring. So rows are locked in the order of their slots, and one relay announces at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.errors import ConfigError
from musterd.model import Member
from musterd.stores.link import Link
from musterd.stores.rowwriter import signed
from musterd.urls import without_secret
from musterd_coordinator.relay.waiting import Newcomer

_MODULES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}

Slots = NDArray[np.int32]
Identities = NDArray[np.int64]
"""Ids of members as the columns of a database have them."""


class Rows(NamedTuple):
    """These are columns of n beats of as many members, in the order of their slots."""

    slot: Slots
    member_id: NDArray[np.uint64]
    record: NDArray[np.void]  # musterd_coordinator.sweep.columns.RECORD

    @property
    def ids(self) -> Identities:
        """Return the member_ids as bigints."""
        return self.member_id.view(np.int64)


class SeatRow(NamedTuple):
    """A `SeatRow` is what a database says of one member.

    ``facts`` are zone, owner and metadata; None: no agent announced what stands there.
    """

    identity: int
    slot: int
    has_beat: bool
    facts: tuple[str, str, dict[str, str]] | None
    mac: bytes

    def tells(self, newcomer: Newcomer) -> bool:
        """Say whether all that ``newcomer`` announces stands there."""
        member = newcomer.member
        told = member.zone, member.owner, dict(member.metadata)
        return self.facts == told and newcomer.mac in (b"", self.mac)


class RelayDatabase(ABC):
    """A `RelayDatabase` is one connection of a relay, used by one call at a time.

    Every call raises StoreError.
    """

    link: Link[Any]

    @abstractmethod
    async def challenge(self, namespace: str) -> bytes:
        """Return the value that agents of ``namespace`` sign; it is empty where there is none."""

    @abstractmethod
    async def mark(self, namespace: str, slot: int, identity: int, record: bytes) -> None:
        """Overwrite the row in ``slot`` by which coordinators know that a relay is at work."""

    @abstractmethod
    async def write(self, rows: Rows, freshest: float = 20.0) -> NDArray[np.bool_]:
        """Overwrite the beats in ``rows``; say which of them were (n). These are committed now.

        The others sit in that slot no more, or a beat is there that they cannot follow; no beat keeps
        others out for more than ``freshest`` seconds.
        """

    @abstractmethod
    async def sit(self, rows: Rows) -> NDArray[np.bool_]:
        """Say which of the members of ``rows`` sit in those slots (n)."""

    @abstractmethod
    async def announce(self, newcomers: Sequence[Newcomer]) -> dict[int, int]:
        """Give each a seat, in this order; return the slots by member_id."""

    @abstractmethod
    async def _find(self, ids: Sequence[int]) -> Iterable[SeatRow]:
        """Return what is said of members with these bigints as ids, in the order of their slots."""

    async def find_seats(self, newcomers: Sequence[Newcomer]) -> dict[int, int | None]:
        """Return the members, by member_id, that have a seat already.

        The slot is None where the member has to be announced all the same, because it tells other
        facts or its row of beats was lost. They are in the order of their slots.
        """
        wanted = {newcomer.identity: newcomer for newcomer in newcomers}
        found = await self._find([signed(identity) for identity in wanted])
        return {
            row.identity: row.slot if row.has_beat and row.tells(wanted[row.identity]) else None
            for row in found
        }

    async def rows_of(self, newcomers: Sequence[Newcomer]) -> dict[int, tuple[Member, bytes]]:
        """Return what the rows of members say of them, and their macs, by member_id.

        Of a row that is gone, or has no facts at all, there is nothing.
        """
        names = {each.identity: each.member for each in newcomers}
        if not names:
            return {}
        found = await self._find([signed(identity) for identity in names])
        return {
            row.identity: (_member(names[row.identity], row.facts), row.mac)
            for row in found
            if row.facts is not None
        }


def _member(named: Member, facts: tuple[str, str, dict[str, str]]) -> Member:
    return Member(named.group, named.name, *facts)


def metadata_in(text: str | bytes) -> dict[str, str] | None:
    """Return the metadata in a text; None: no agent announced it."""
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        return None


def open_database(url: str, timeout: float) -> tuple[str, "RelayDatabase", "RelayDatabase"]:
    """Return the URL of a relay's database without secrets, and two connections to it.

    They connect to nothing yet. Raises ConfigError for a URL that no relay can write to.
    """
    module = _MODULES.get(url.partition(":")[0])
    if module is None:
        raise ConfigError(
            f"a relay writes to PostgreSQL or MariaDB and the store is {without_secret(url)}: name a"
            " database with --store postgresql://user@host/database, or mysql://…"
        )
    made: tuple[str, RelayDatabase, RelayDatabase]
    made = import_module(f"musterd_coordinator.relay.{module}").open_url(url, timeout)
    return made
