"""Callers may take so much of a coordinator: connections, memory, and orders a second."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from musterd_coordinator.limits.descriptors import MOST_CALLERS
from musterd_coordinator.limits.rates import Pace, Rate
from musterd_coordinator.limits.shares import Shares

MIB = 1024 * 1024
FIRST_BYTES = 64 * 1024

ORDERS, ORDERS_EACH = Rate(20.0, 5000.0), Rate(10.0, 2500.0)
"""A rack is forced down at once; a flood writes two or three gigabytes a day."""

READERS = 1000
"""Readers of /v1/events."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """An `HttpLimits` has a coordinator's bounds. ``each`` is for one address: IPv4, or 64 bits of IPv6.

    ``connections_each`` None is a quarter of all. Bytes are of bodies that are not read to their
    end: of the first 64 kB of each (``first``), and of the rest; and of answers that wait for
    their readers (``unsent``).
    """

    connections: int = MOST_CALLERS
    connections_each: int | None = None
    readers: int = READERS
    first: int = 16 * MIB
    rest: int = 48 * MIB
    unsent: int = 128 * MIB
    orders: Rate = ORDERS
    orders_each: Rate = ORDERS_EACH
    heavy: int = 64
    clock: Callable[[], float] = field(default=monotonic)

    @property
    def each(self) -> int:
        """Return how many connections one address may have."""
        most = self.connections
        return (
            max(1, most // 4) if self.connections_each is None else min(self.connections_each, most)
        )

    @property
    def readers_each(self) -> int:
        """Return how many readers one address may have: as large a part of them as of connections."""
        return max(1, self.readers * self.each // self.connections)

    def pace(self) -> Pace:
        """Return the pace at which orders may come."""
        return Pace(self.orders, self.orders_each, self.clock)


class Room:
    """A `Room` is the memory that bodies and answers may take: half of it at most for one address."""

    def __init__(self, limits: HttpLimits) -> None:
        self._first, self._rest = _halved(limits.first), _halved(limits.rest)
        self.unsent = _halved(limits.unsent)

    @property
    def bytes(self) -> int:
        """Return how many bytes bodies take just now."""
        return self._first.taken + self._rest.taken

    def body(self, holder: str) -> "BodyRoom":
        """Return the room for one body."""
        return BodyRoom(self._first, self._rest, holder)


class BodyRoom:
    """A `BodyRoom` is what one body takes, which may grow until it is given back."""

    def __init__(self, first: Shares, rest: Shares, holder: str) -> None:
        self._first, self._rest, self._holder = first, rest, holder
        self._size = 0

    def grow(self, size: int) -> bool:
        """Note that the body has ``size`` bytes by now; say whether there is room for that."""
        more_first = min(size, FIRST_BYTES) - min(self._size, FIRST_BYTES)
        more_rest = max(size - FIRST_BYTES, 0) - max(self._size - FIRST_BYTES, 0)
        if not self._first.acquire(self._holder, more_first):
            return False
        if not self._rest.acquire(self._holder, more_rest):
            self._first.release(self._holder, more_first)
            return False
        self._size = size
        return True

    def close(self) -> None:
        """Give all of it back."""
        self._first.release(self._holder, min(self._size, FIRST_BYTES))
        self._rest.release(self._holder, max(self._size - FIRST_BYTES, 0))
        self._size = 0


def _halved(total: int) -> Shares:
    return Shares(total, total // 2)
