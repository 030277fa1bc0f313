"""The module keeps in which zone each host is, as Nova's API database has it."""

from collections.abc import Mapping
from math import inf

import structlog

from musterd.errors import StoreError
from musterd_coordinator.sweep.nova import apidb
from musterd_coordinator.sweep.nova.apidb import ApiDatabase

log = structlog.get_logger(__name__)

PERIOD = 60.0
"""Seconds from one look to the next."""

ZONES_TIMEOUT = 1.0
"""Seconds for a look: a sweep waits for it, which proves nothing of that database."""


class HostZones:
    """A `HostZones` looks into ``api`` now and then, and knows what it said last.

    ``cell`` is the zone of hosts of which it said nothing.
    """

    def __init__(self, api: ApiDatabase | None, cell: str) -> None:
        self._api = api
        self._cell = cell
        self._known: Mapping[str, str] = {}
        self._due = -inf
        self._missed = False

    def of(self, host: str) -> str:
        """Return the zone that ``host`` is in."""
        return self._known.get(host, self._cell)

    async def refresh(self, now: float) -> set[str]:
        """Look again where it is time to; return the hosts that are in another zone than before."""
        if self._api is None or now < self._due:
            return set()
        self._due = now + PERIOD
        try:
            before, self._known = self._known, await apidb.zones(self._api)
        except StoreError as error:
            if not self._missed:
                log.warning("zones not known", database=error.shard, reason=error.reason)
            self._missed = True
            return set()
        self._missed = False
        hosts = before.keys() | self._known.keys()
        return {host for host in hosts if before.get(host) != self._known.get(host)}

    def close(self) -> None:
        """Close the connection without waiting for the network."""
        if self._api is not None:
            self._api.close()
