"""The module is what registries in databases have in common: connections, and what is one change."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from math import inf
from random import uniform
from typing import Any, Generic, Protocol, TypeVar

import anyio

from musterd.errors import RegistryError, StoreError
from musterd_coordinator.registry.base import Row

SAME_CHANGE = timedelta(seconds=30)
SAME_RESTART = timedelta(minutes=10)
"""A restart's words name two random numbers: another coordinator's are of the same restart."""

FRESH_PERIOD = 30.0
_BRIEF = 0.5  # seconds: others' news must not wait for a batch under way
PAGE = 1000
BATCH = 10_000
NEWS_TIMEOUT = 2.0
"""Seconds for a page of what others changed: so soon is it noticed that the database is away."""

EVERYBODY = 0
"""In ``changed_by``: the writer is told too, or orders that cross might leave it the older one."""


class RegistryLink(Protocol):
    """A `RegistryLink` is a connection to a database."""

    async def freshen(self) -> str:
        """Connect anew where its host's name leads elsewhere. Raises StoreError."""

    def close(self) -> None:
        """End it without waiting for the network."""


L = TypeVar("L", bound=RegistryLink)


class RegistryLinks(Generic[L]):
    """A `RegistryLinks` has the connections of one registry, which ``connect`` gives a deadline.

    Orders and questions have a connection of their own, and so has hearing of what others did:
    neither waits for a batch.
    """

    def __init__(self, connect: Callable[[float], L], timeout: float) -> None:
        self.orders = connect(timeout)
        self.batches = connect(timeout)
        self.news = connect(min(timeout, NEWS_TIMEOUT))
        self._fresh_until = -inf

    async def freshen(self) -> None:
        """Go where the database's name leads by now, every now and then."""
        now = anyio.current_time()
        if now < self._fresh_until:
            return
        self._fresh_until = now + uniform(0.5, 1.0) * FRESH_PERIOD
        for link in self.orders, self.batches, self.news:
            with suppress(StoreError), anyio.move_on_after(_BRIEF):  # the old connection serves
                await link.freshen()

    def close(self) -> None:
        """Close all connections without waiting for the network."""
        for link in self.orders, self.batches, self.news:
            link.close()


async def make_tables(hosts: int, make: Callable[[], Awaitable[None]]) -> None:
    """Have ``make`` do so on one of the ``hosts``; raise RegistryError where none lets it."""
    for left in reversed(range(hosts)):  # one that only reads is left for the next
        try:
            await make()
            break
        except StoreError as error:
            if not left:
                raise RegistryError(f"registry {error}") from None


class FirstLines:
    """A `FirstLines` knows which members had a line in this call already.

    What another coordinator saved of a member is compared with the first of its lines alone.
    """

    def __init__(self) -> None:
        self._met = set[tuple[Any, Any]]()

    def among(self, lines: Sequence[Row]) -> list[bool]:
        """Return of each of the ``lines`` whether it is its member's first."""
        first = []
        for line in lines:
            first.append(line[2:4] not in self._met)
            self._met.add(line[2:4])
        return first
