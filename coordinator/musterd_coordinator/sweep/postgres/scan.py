"""The module reads every new beat of a namespace by binary COPY, in one go or both halves at once.

A COPY is as fast as one core of the server. So a large table is read by two connections in one
snapshot: that takes half the time, and the server no more CPU.

Most of what a COPY costs is to send its rows and to take them in. Of members that beat every ten
seconds, one in ten has a new beat a second later, and the other rows are left out. Every version of
a row carries the transaction that wrote it (``xmin``), which needs neither an index nor a column.
"""

from collections.abc import Callable
from typing import Any

import anyio
from numpy.typing import NDArray

from musterd.beat import SIZE
from musterd.stores.postgres.session import Connection, PgSession
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.postgres.copy import Copy
from musterd_coordinator.sweep.postgres.mark import SnapshotMark, mark
from musterd_coordinator.sweep.turns import in_steps

HALVES_FROM = 50_000
"""Members from which on a table is read in halves. For fewer, one COPY takes milliseconds."""

GULP = 128 << 10
"""Bytes of a COPY: when fewer came at once, what follows is given time to gather."""

PAUSE = 0.001
"""Seconds for that. A server sends 8 kB at a time. Woken by each, we would take twice the CPU, and
the server a fifth more for waking us."""

# Every row is as long as the next, whatever was written into a record by hand.
_BEATS = f"""
SELECT slot, record FROM musterd.beat
WHERE namespace_key = {{key}} AND octet_length(record) = {SIZE}
"""
# xmin has 32 bits and no order, but an age. As a subquery, the other age is computed once.
_CHANGED = " AND age(xmin) <= (SELECT age('{oldest}'::xid))"
_FIRST_HALF = " AND ctid < '({middle},0)'"
_SECOND_HALF = " AND ctid >= '({middle},0)'"
_SPLIT = """
SELECT pg_export_snapshot(),
    pg_relation_size('musterd.beat') / current_setting('block_size')::bigint / 2
"""
_RANGES_SINCE = 14  # before, PostgreSQL reads the whole table for a range of ctid
_XID = (1 << 32) - 1  # what a row keeps of a transaction's number
_MOST_TRANSACTIONS = 1 << 30  # an age has 31 bits

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ"
"""Begins a transaction all of whose queries see one moment, that of its first."""

Collect = Callable[[NDArray[Any]], Steps[None] | None]
"""Collects rows with the fields ``slot`` and ``record``, which come in no order; at once, or in steps."""


class Scan:
    """A `Scan` reads the beats with one namespace's ``key``.

    ``other`` is a link that is idle meanwhile. A scan is of one moment, in a transaction that
    :data:`SNAPSHOT` began. :meth:`start` comes first.
    """

    def __init__(self, link: PgSession, other: PgSession, key: int) -> None:
        self._link = link
        self._other = other
        self._beats = _BEATS.format(key=key)
        self._read: SnapshotMark | None = (
            None  # the moment of which every row was read and understood
        )
        self._now: SnapshotMark | None = None
        self._changed = ""

    async def start(self, connection: Connection) -> bool:
        """Look at the moment; say whether every row will be read, and not only those that changed."""
        self._now = await mark(connection, "musterd.beat")
        oldest = self._now.read_from(self._read)
        if oldest is None or self._now.oldest - oldest > _MOST_TRANSACTIONS:
            self._changed = ""
        else:
            self._changed = _CHANGED.format(oldest=oldest & _XID)
        return not self._changed

    def acknowledge(self) -> None:
        """Acknowledge that all that was read is understood: the next scan need not read it again."""
        self._read = self._now

    def invalidate(self) -> None:
        """Have the next scan read all rows there are: some may be gone."""
        self._read = None

    async def read(self, connection: Connection, members: int, collect: Collect) -> None:
        """Give the rows to ``collect``; ``connection`` is the link's.

        About so many ``members`` are expected. Raises StoreError and the driver's errors.
        """
        if members >= HALVES_FROM and self._can_halve(connection):
            await self._read_halves(connection, collect)
        else:
            await self._copy(connection, "", collect)

    def _can_halve(self, connection: Connection) -> bool:
        # A pooler may have no other connection for us until we give back the one we have.
        return self._link.is_direct and connection.get_server_version().major >= _RANGES_SINCE

    async def _read_halves(self, connection: Connection, collect: Collect) -> None:
        snapshot, middle = await connection.fetchrow(_SPLIT) or ("", 0)
        first, second = (half.format(middle=middle) for half in (_FIRST_HALF, _SECOND_HALF))
        same = f"{SNAPSHOT}; SET TRANSACTION SNAPSHOT '{snapshot}'"
        async with self._other.transaction(begin=same) as other:
            try:
                async with anyio.create_task_group() as both:
                    both.start_soon(self._copy, connection, first, collect)
                    both.start_soon(self._copy, other, second, collect)
            except ExceptionGroup as group:  # both fail for one reason, and the callers know it
                raise group.exceptions[0] from None

    async def _copy(self, connection: Connection, part: str, collect: Collect) -> None:
        copy, query = Copy(self._link.name), self._beats + self._changed + part

        async def parse(chunk: bytes) -> None:
            if (steps := collect(copy.rows(chunk))) is not None:
                await in_steps(steps)
            if len(chunk) < GULP:
                await anyio.sleep(PAUSE)

        await connection.copy_from_query(query, output=parse, format="binary")
        copy.finish()
