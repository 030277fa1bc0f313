"""The module finds out whether several hosts of a database's URL take beats, as servers of their own.

All hosts of a URL mean one database. Where two take changes that are not nodes of one cluster, such as a
replica that is not read-only, or the primary of before that was started again, agents may beat at the one
while a coordinator looks at the other: they would be silent, though they are alive. So it looks at all.
"""

from collections.abc import Sequence
from typing import Protocol

import anyio

from musterd.errors import StoreError
from musterd.stores.errand import Errand

EVERY = 5
"""Sweeps between two looks at all hosts."""


class HostWay(Protocol):
    """A `HostWay` is a way to one host of several."""

    @property
    def name(self) -> str:
        """Name the host, and what it has."""

    async def server(self) -> tuple[str, bool]:
        """Return what tells its server, or its cluster, from any other; and something else.

        Raises StoreError, as where it takes no beats.
        """

    def drop(self) -> None:
        """End the connection; the next call connects anew."""

    def close(self) -> None:
        """End it for good."""


class Rivals:
    """A `Rivals` looks at all ``hosts`` of a URL, beside what goes on; none: it has only one."""

    def __init__(self, hosts: Sequence[HostWay] = ()) -> None:
        self._hosts = hosts
        self._looking = Errand(self._look)
        self._sweeps = 0
        self._servers: dict[str, str] = {}

    async def follow(self) -> None:
        """Look again where it is time to, and take in what the last look found. Waits for nothing."""
        if self._looking.is_done:
            self._servers = await self._looking.outcome()
        if self._hosts and self._sweeps % EVERY == 0:
            self._looking.begin()
        self._sweeps += 1

    def reason(self) -> str:
        """Return why no member may be judged now; empty if nothing is against it."""
        named = {server: host for host, server in self._servers.items()}
        if len(named) < 2:  # noqa: PLR2004
            return ""
        return (
            f"{' and '.join(sorted(named.values()))} take beats, each for itself: agents may be at any of"
            " them; make all but one read-only, or take them out of the URL"
        )

    def close(self) -> None:
        """End all that it does."""
        self._looking.give_up()
        for host in self._hosts:
            host.close()

    async def _look(self) -> dict[str, str]:
        """Return the servers that take beats, by host."""
        found: dict[str, str] = {}

        async def ask(host: HostWay) -> None:
            try:
                found[host.name], _ = await host.server()
            except StoreError:
                return
            finally:
                host.drop()

        async with anyio.create_task_group() as tasks:
            for host in self._hosts:
                tasks.start_soon(ask, host)
        return found
