"""So many may be connected in all and from one address, and the idle make room first. Pure."""

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from musterd_coordinator.limits.shares import Shares

G = TypeVar("G", bound=Hashable)


class Door(Generic[G]):
    """A `Door` knows the guests inside, and which of them wait for nothing.

    A guest that holds a connection without asking anything keeps nobody out: the one that has been
    idle for longest leaves when there is no room, of the same address where that has its share.
    """

    def __init__(self, total: int, each: int) -> None:
        self._shares = Shares(total, each)
        self._homes: dict[G, str] = {}
        self._idle: dict[G, None] = {}  # which became idle first, first
        self._idle_of: dict[str, dict[G, None]] = {}  # the same by address
        self.dismissed = 0
        self.refused = Counter[str]({"all": 0, "address": 0})  # by what was full

    def __len__(self) -> int:
        return len(self._homes)

    def admit(self, guest: G, home: str) -> tuple[bool, G | None]:
        """Say whether ``guest`` from the address ``home`` may come in, and which one is to leave for it."""
        leaving = None
        if not self._shares.acquire(home):
            leaving = self._idlest(home)
            if leaving is None:
                self.refused["address" if self._is_full_for(home) else "all"] += 1
                return False, None
            self.release(leaving)
            self.dismissed += 1
            self._shares.acquire(home)
        self._homes[guest] = home
        self.idle(guest)
        return True, leaving

    def busy(self, guest: G) -> None:
        """Note that ``guest`` asked something."""
        if guest in self._idle:
            del self._idle[guest]
            theirs = self._idle_of[self._homes[guest]]
            del theirs[guest]
            if not theirs:
                del self._idle_of[self._homes[guest]]

    def idle(self, guest: G) -> None:
        """Note that ``guest`` has its answer, or has not asked yet."""
        if guest in self._homes and guest not in self._idle:
            self._idle[guest] = None
            self._idle_of.setdefault(self._homes[guest], {})[guest] = None

    def release(self, guest: G) -> None:
        """Note that ``guest`` is gone; more than once is no harm."""
        if guest in self._homes:
            self.busy(guest)
            self._shares.release(self._homes.pop(guest))

    def _is_full_for(self, home: str) -> bool:
        return self._shares.held(home) >= self._shares.each

    def _idlest(self, home: str) -> G | None:
        among = self._idle_of.get(home, {}) if self._is_full_for(home) else self._idle
        return next(iter(among), None)
