"""The module sees whether the database's name, or a proxy, leads to another server by now.

While the one before lives, agents may still beat there, and would be silent at the new one though
they are alive. They come over within LONGEST_CONNECTED seconds; so long no member is judged. Where
the old server is gone, their connections broke with it: nothing has to be waited for.
"""

from math import inf
from typing import Protocol

import anyio

from musterd.errors import StoreError
from musterd.stores.link import LONGEST_CONNECTED

_BRIEF = 0.5  # seconds that a server which lives takes to say so, at most


class Present(Protocol):
    """A `Present` counts the members of a shard."""

    def count(self) -> int:
        """Return how many there are."""

    def present(self) -> int:
        """Return how many of them have a beat in it."""


class Reaching(Protocol):
    """A `Reaching` is a connection to a database's server."""

    async def server(self) -> tuple[str, bool]:
        """Return what tells the server from any other, and whether it is reached directly."""

    async def renew(self) -> None:
        """Connect anew."""


class MoveWatch:
    """A `MoveWatch` renews the link ``follower`` after ``leader``, and sees whether they parted."""

    def __init__(self, leader: Reaching, follower: Reaching) -> None:
        self._leader = leader
        self._follower = follower
        self._server = ""
        self._due = False
        self._until = -inf

    async def check(self) -> None:
        """See whether ``leader``, a new connection, leads where it did before. Raises StoreError."""
        server, direct = await self._leader.server()
        before, self._server = self._server, server
        self._due = True
        # Behind a pooler a change of the server is the pooler's affair, and agents' share it.
        if before not in ("", server) and direct and await self._lives(before):
            self._until = anyio.current_time() + LONGEST_CONNECTED

    async def follow(self) -> None:
        """Renew ``follower`` where it is time to. Raises StoreError."""
        if self._due:
            await self._follower.renew()
            self._due = False

    def reason(self, seats: Present) -> str:
        """Return why no member may be judged now; empty if nothing is against it.

        Nor is there a reason once all have come over.
        """
        left = self._until - anyio.current_time()
        if left <= 0:
            return ""
        if seats.count() and seats.present() >= seats.count():
            self._until = -inf
            return ""
        return (
            "the database is another server by now and the one before is alive: agents come over"
            f" within {left:.0f} s"
        )

    async def _lives(self, server: str) -> bool:
        """Say whether ``follower``, which is still connected to ``server``, reaches it."""
        with anyio.move_on_after(_BRIEF):
            try:
                return (await self._follower.server())[0] == server
            except StoreError:
                pass
        return False
