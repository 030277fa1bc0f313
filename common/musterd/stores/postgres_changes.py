"""How to read only what changed in a table, and never miss a row that was committed late.

Every row carries the number of the transaction that wrote it last, as ``changed xid8``. A mark is
taken *before* rows are read. Whatever that reading does not see was written by a transaction
which was under way at the mark or began after it, and all of these have numbers from the mark's
``oldest`` upwards. So reading ``changed >= oldest`` next time misses nothing; a few rows come
twice.

Numbers of different servers do not compare: a standby that took over may have lost the last
transactions and give their numbers away again. So a mark names the server's run and the table it
was taken on, and after any other one everything is read again.
"""

from datetime import datetime
from typing import NamedTuple

from musterd.stores.postgres_link import Connection

_MARK = """
SELECT pg_postmaster_start_time(), $1::text::regclass::oid::bigint,
    pg_snapshot_xmin(pg_current_snapshot())::text
"""


class Mark(NamedTuple):
    """A moment in the life of one table on one server."""

    server_start: datetime
    table: int
    oldest: int  # the oldest transaction that was still under way

    def since(self, previous: "Mark | None") -> int | None:
        """The first transaction to read from, or None to read everything."""
        if previous is None or self[:2] != previous[:2]:
            return None
        return previous.oldest


async def mark(connection: Connection, table: str) -> Mark:
    """The present moment of ``table``, which is schema-qualified."""
    row = await connection.fetchrow(_MARK, table)
    assert row is not None
    return Mark(row[0], row[1], int(row[2]))
