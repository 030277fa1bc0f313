"""A host may have several addresses: they are tried in turn, as the hosts of a list are."""

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import TypeVar

import anyio

from musterd.resolving import shared

LONGEST = 10.0
"""Seconds that an address is tried for where others are left and the caller set no deadline."""

_T = TypeVar("_T")


class Way:
    """A ``Way`` leads to one host by name, which is looked up for each connection.

    The address that worked last is tried first, while the name still has it; one that failed is
    tried after the others. Each gets its share of the time there is.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self._worked = ""
        self._failed: dict[str, None] = {}  # the one that failed last comes last

    def order(self, found: Sequence[str]) -> list[str]:
        """Return ``found``, in the order to try them."""
        failed = [address for address in self._failed if address in found]
        self._failed = dict.fromkeys(failed)
        rest = [address for address in found if address not in self._failed]
        return sorted(rest, key=lambda address: address != self._worked) + failed

    def worked(self, address: str) -> None:
        """Begin with this one from now on."""
        self._worked = address
        self._failed.pop(address, None)

    def failed(self, address: str) -> None:
        """Begin with another one from now on."""
        self._failed.pop(address, None)
        self._failed[address] = None

    async def connect(
        self, attempt: Callable[[str], Awaitable[_T]], hosts: int = 1, brief: float = inf
    ) -> _T:
        """Return what ``attempt`` makes of the first address with which it does not fail.

        The caller's time is shared by so many ``hosts``, this one among them. The last address is
        reached after ``brief`` seconds at most, whatever time the caller has. Raises OSError: the
        last one's, or that the name was not found.
        """
        with anyio.fail_after(_share(hosts, brief)):
            addresses = self.order(await shared().addresses(self.host))
            failure = OSError(f"no address for {self.host}")
            for at, address in enumerate(addresses):
                try:
                    with anyio.fail_after(_share(len(addresses) - at, brief)):
                        made = await attempt(address)
                except OSError as error:
                    failure = error
                    self.failed(address)
                except BaseException:
                    self.failed(address)
                    raise
                else:
                    self.worked(address)
                    return made
            raise failure


def _share(of: int, most: float) -> float | None:
    """Return one of ``of`` equal shares of the time that is left to the caller; None: all of it."""
    if of <= 1:
        return None
    left = max(0.0, anyio.current_effective_deadline() - anyio.current_time())
    return min(LONGEST, min(left, most) / of)
