"""The module reads all beats of a MariaDB as one would who knows nothing better: row by row."""

import numpy as np

from benchmarks.bulk import TIMEOUT
from benchmarks.fleet import NAMESPACE, Fleet
from benchmarks.sweep_clients import Cost, clocked, expect
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url
from musterd.stores.rowwriter import namespace_key
from musterd_coordinator.sweep.columns import RECORD, check_records

_ROWS = "SELECT slot, record FROM musterd_beat WHERE namespace_key = ?"


class MariaRows:
    """A `MariaRows` has asyncmy fetch the rows that musterd reads a thousand at a time.

    It ends with what a sweep ends with, and is spared what :class:`benchmarks.sweep_clients.Fetch` is.
    """

    name = "rows"

    def __init__(self, url: str, fleet: Fleet) -> None:
        self._link = MySqlSession(parse_url(url), TIMEOUT)
        self._fleet = fleet
        self._brought = 0

    async def sweep(self) -> Cost:
        """Read all beats once."""
        cost = await clocked(self._read)
        expect(self._brought, len(self._fleet))
        return cost

    async def aclose(self) -> None:
        """Close the connection."""
        self._link.close()

    async def _read(self) -> None:
        async with self._link.session() as session:
            rows = (await session.execute(_ROWS, (namespace_key(NAMESPACE),))).rows
        slots = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        records = np.frombuffer(b"".join([row[1] for row in rows]), RECORD)
        beats, _ = check_records(slots, records)
        members = beats.where(beats.slot >= 0)  # not musterd's canary
        seated = self._fleet.records["member_id"][members.slot] == members.member_id
        self._brought = int(seated.sum())
