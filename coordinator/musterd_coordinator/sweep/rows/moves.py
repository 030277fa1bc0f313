"""The module sees whether the database's name, or a proxy, leads to another server by now.

While the one before lives, agents may still beat there, and would be silent at the new one though
they are alive. They come over within LONGEST_CONNECTED seconds; so long no member is judged. Where
the old server is gone, their connections broke with it: nothing has to be waited for. Nor where it takes
no beats any more, as the primary of before in a planned switch.
"""

from math import inf
from typing import Protocol

import anyio
import numpy as np
from numpy.typing import NDArray

from musterd.errors import StoreError
from musterd.stores.link import LONGEST_CONNECTED

_BRIEF = 0.5  # seconds that a server which lives takes to say so, at most


Stood = NDArray[np.uint64]


class Present(Protocol):
    """A `Present` counts the members of a shard."""

    def count(self) -> int:
        """Return how many there are."""

    def standing(self) -> Stood:
        """Return a number for the beat that stands in each slot; another beat has another one."""

    def come_since(self, before: Stood) -> int:
        """Return how many have a beat in it that did not stand there ``before``."""


class Reaching(Protocol):
    """A `Reaching` is a connection to a database's server."""

    async def server(self) -> tuple[str, bool]:
        """Return what tells the server from any other, and whether it is reached directly.

        Raises StoreError, as where it takes no beats.
        """

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
        self._before: Stood | None = None

    async def check(self) -> None:
        """See whether ``leader``, a new connection, leads where it did before. Raises StoreError."""
        server, direct = await self._leader.server()
        before, self._server = self._server, server
        self._due = True
        # Behind a pooler a change of the server is the pooler's affair, and agents' share it.
        if before not in ("", server) and direct and await self._lives(before):
            self._until = anyio.current_time() + LONGEST_CONNECTED
            self._before = None

    async def follow(self) -> None:
        """Renew ``follower`` where it is time to. Raises StoreError."""
        if self._due:
            await self._follower.renew()
            self._due = False

    def reason(self, seats: Present) -> str:
        """Return why no member may be judged now; empty if nothing is against it.

        Nor is there a reason once all have come over: what stands there at first may have been
        brought by the server before.
        """
        left = self._until - anyio.current_time()
        if left <= 0:
            return ""
        if self._before is None:
            self._before = seats.standing()
        elif seats.count() and seats.come_since(self._before) >= seats.count():
            self._until = -inf
            return ""
        return (
            "the database is another server by now and the one before is alive: agents come over"
            f" within {left:.0f} s"
        )

    async def _lives(self, server: str) -> bool:
        """Say whether ``follower``, which is still connected to ``server``, reaches it to beat there."""
        with anyio.move_on_after(_BRIEF):
            try:
                return (await self._follower.server())[0] == server
            except StoreError:
                pass
        return False
