"""The module reads only what changed in a table, and never misses a row that was committed late.

Every row carries the number of the transaction that wrote it last, as ``changed xid8``. A mark is
taken *before* rows are read. Whatever that reading does not see was written by a transaction which
was under way at the mark or began after it, and all of these have numbers from the mark's
``oldest`` upwards. So reading ``changed >= oldest`` next time misses nothing; a few rows come
twice.

Numbers are only compared within one life of a database. A standby that took over, and a server that
recovers from a crash, may have lost the last transactions and give their numbers away again; and a
recovery, as after one of its processes was killed, does not even restart the server. But each of
these empties all unlogged tables. So the unlogged ``musterd.life`` holds a random number, drawn
anew where it is missing, and a mark names that, the server's start (a copy of the files has the
same number) and the table. After any other one everything is read again.

A dump that was restored brings rows with numbers that the new server will reach in years. Before
everything is read, :func:`catch_up` makes such rows as new as they are.
"""

from datetime import datetime
from secrets import randbits
from typing import NamedTuple

from musterd.stores.postgres.session import Connection, PgSession

_MARK = """
SELECT pg_postmaster_start_time(), $1::text::regclass::oid::bigint,
    pg_snapshot_xmin(pg_current_snapshot())::text, (SELECT born FROM musterd.life)
"""
_BEGIN_LIFE = "INSERT INTO musterd.life (born) VALUES ($1) ON CONFLICT DO NOTHING"
_AHEAD = """
UPDATE {table} SET changed = pg_current_xact_id() WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE changed >= pg_snapshot_xmax(pg_current_snapshot())
    LIMIT {most} FOR UPDATE SKIP LOCKED))
"""
CAUGHT_UP = 5000
"""Rows that one transaction makes as new as they are."""


class SnapshotMark(NamedTuple):
    """A `SnapshotMark` is a moment in the life of one table in one database."""

    server_start: datetime
    table: int
    oldest: int  # the oldest transaction that was still under way
    life: int | None  # None: its number is not drawn yet, and the mark is like no other

    def read_from(self, previous: "SnapshotMark | None") -> int | None:
        """Return the first transaction to read from, or None to read everything."""
        if previous is None or self.life is None or self.life != previous.life:
            return None
        if self[:2] != previous[:2] or self.oldest < previous.oldest:
            return None
        return previous.oldest


async def mark(connection: Connection, table: str) -> SnapshotMark:
    """Return the present moment of ``table``, which is schema-qualified."""
    row = await connection.fetchrow(_MARK, table)
    assert row is not None
    return SnapshotMark(row[0], row[1], int(row[2]), row[3])


async def living_mark(connection: Connection, table: str) -> SnapshotMark:
    """Do as :func:`mark`, and begin a new life where there is none.

    Not for a transaction of one moment.
    """
    now = await mark(connection, table)
    if now.life is None:
        await connection.execute(_BEGIN_LIFE, randbits(63))
        now = await mark(connection, table)
    return now


async def catch_up(link: PgSession, table: str) -> int:
    """Renew the rows with a ``changed`` ahead of all transactions; return how many.

    Raises StoreError.
    """
    total, some = 0, CAUGHT_UP
    while some == CAUGHT_UP:
        async with link.transaction() as connection:
            done = await connection.execute(_AHEAD.format(table=table, most=CAUGHT_UP))
        some = int(done.removeprefix("UPDATE "))
        total += some
    return total
