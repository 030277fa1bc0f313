"""Every beat of a namespace by binary COPY: in one go, or both halves of the table at once.

A COPY is as fast as one core of the server. So a large table is read by two connections in one
snapshot: that takes half the time, and the server no more CPU.
"""

from collections.abc import Callable
from typing import Any

import anyio
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.stores.postgres_copy import Copy
from musterd.stores.postgres_link import Connection, Link

HALVES_FROM = 50_000
"""Members from which on a table is read in halves. For fewer, one COPY takes milliseconds."""

GULP = 128 << 10
"""Bytes of a COPY: when fewer came at once, what follows is given time to gather."""

PAUSE = 0.001
"""Seconds for that. A server sends 8 kB at a time. Woken by each, we would take twice the CPU, and
the server a fifth more for waking us."""

# Every row is as long as the next, whatever somebody wrote into a record by hand.
_BEATS = f"""
SELECT slot, record FROM musterd.beat
WHERE namespace_key = {{key}} AND octet_length(record) = {SIZE}
"""
_FIRST_HALF = f"{_BEATS} AND ctid < '({{middle}},0)'"
_SECOND_HALF = f"{_BEATS} AND ctid >= '({{middle}},0)'"
_REPEATABLE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_SPLIT = """
SELECT pg_export_snapshot(),
    pg_relation_size('musterd.beat') / current_setting('block_size')::bigint / 2
"""
_RANGES_SINCE = 14  # before, PostgreSQL reads the whole table for a range of ctid

Take = Callable[[NDArray[Any]], None]
"""Takes rows with the fields ``slot`` and ``record``, which come in no order."""


class Scan:
    """Reads the beats with one namespace's ``key``. ``other`` is a link that is idle meanwhile."""

    def __init__(self, link: Link, other: Link, key: int) -> None:
        self._link = link
        self._other = other
        self._key = key

    async def read(self, connection: Connection, members: int, take: Take) -> None:
        """Give all rows to ``take``; ``connection`` is the link's, in a transaction just begun.

        About so many ``members`` are expected. Raises StoreError and the driver's errors.
        """
        if members >= HALVES_FROM and self._can_halve(connection):
            await self._read_halves(connection, take)
        else:
            await self._copy(connection, _BEATS.format(key=self._key), take)

    def _can_halve(self, connection: Connection) -> bool:
        # A pooler may have nobody else for us until we give back whom we have.
        return self._link.is_direct and connection.get_server_version().major >= _RANGES_SINCE

    async def _read_halves(self, connection: Connection, take: Take) -> None:
        await connection.execute(_REPEATABLE)
        snapshot, middle = await connection.fetchrow(_SPLIT) or ("", 0)
        first, second = (
            half.format(key=self._key, middle=middle) for half in (_FIRST_HALF, _SECOND_HALF)
        )
        async with self._other.transaction() as other:
            await other.execute(f"{_REPEATABLE}; SET TRANSACTION SNAPSHOT '{snapshot}'")
            try:
                async with anyio.create_task_group() as both:
                    both.start_soon(self._copy, connection, first, take)
                    both.start_soon(self._copy, other, second, take)
            except ExceptionGroup as group:  # both fail for one reason, and the callers know it
                raise group.exceptions[0] from None

    async def _copy(self, connection: Connection, query: str, take: Take) -> None:
        copy = Copy(self._link.name)

        async def parse(chunk: bytes) -> None:
            take(copy.rows(chunk))
            if len(chunk) < GULP:
                await anyio.sleep(PAUSE)

        await connection.copy_from_query(query, output=parse, format="binary")
        copy.finish()
