"""`Shares` divide up what there is so much of in all, and so much for one holder. Pure."""

from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address


class Shares:
    """`Shares` are amounts acquired and released; one holder has at most ``each`` of ``total``."""

    def __init__(self, total: int, each: int) -> None:
        self.total = total
        self.each = each
        self.taken = 0
        self._held: dict[Hashable, int] = {}

    def acquire(self, holder: Hashable, amount: int = 1) -> bool:
        """Acquire ``amount`` for ``holder``, if there is enough for it; say whether there was."""
        held = self.held(holder) + amount
        if held > self.each or self.taken + amount > self.total:
            return False
        if held:
            self._held[holder] = held
        self.taken += amount
        return True

    def release(self, holder: Hashable, amount: int = 1) -> None:
        """Release what was acquired."""
        self.taken -= amount
        left = self.held(holder) - amount
        if left:
            self._held[holder] = left
        else:
            self._held.pop(holder, None)

    def held(self, holder: Hashable) -> int:
        """Return how much ``holder`` has."""
        return self._held.get(holder, 0)


def holder_of(client: tuple[str, int] | None) -> str:
    """Return what a connection from ``client`` counts for: an IPv4 address, or 64 bits of an IPv6 one.

    A host with an IPv6 address has 2^64 of them.
    """
    return "" if client is None else _home(client[0])


@lru_cache(1024)
def _home(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
