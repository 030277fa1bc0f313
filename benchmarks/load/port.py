"""The module says where a swarm's beats go: to one shard, as its members' agents meet it."""

from typing import Protocol

from benchmarks.load.fleet import Seated
from benchmarks.load.lane import Lane
from benchmarks.load.script import Script
from musterd.model import Member

TIMEOUT = 10.0
"""Seconds that a connection or an announcement may take."""

LONG = 300.0
"""Seconds for a statement or a wait that concerns very many members."""


class Port(Protocol):
    """A `Port` is one shard. Its calls raise :class:`musterd.errors.StoreError`."""

    name: str

    def script(self, members: Seated) -> Script:
        """Return the beats of ``members``, which sit in this shard."""

    async def announce_all(self, members: Seated) -> None:
        """Write what agents leave behind when they announce ``members`` and beat once."""

    async def remove_all(self, members: Seated) -> None:
        """Delete what :meth:`announce_all` wrote."""

    async def connect(self, lane: Lane) -> None:
        """Give ``lane`` a connection that takes the commands of a script."""

    async def announce(self, member: Member, record: bytes) -> int:
        """Announce a member that the shard lost, write its beat, and return its slot."""

    def close(self) -> None:
        """Drop the connections that belong to no lane."""
