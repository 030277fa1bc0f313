"""The module asks PostgreSQL's own statistics what beats do to its log and table."""

from dataclasses import dataclass

from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url

_TIMEOUT = 30.0
_LOOK = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal,
    n_tup_upd AS updates, n_tup_hot_upd AS hot, pg_relation_size(relid) AS size
FROM pg_stat_user_tables WHERE schemaname = 'musterd' AND relname = 'beat'
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A `Look` is totals so far.

    It has the bytes of WAL of the whole server, the updates of beats, and the bytes of their table.
    """

    wal: int
    updates: int
    hot: int
    size: int


@dataclass(frozen=True, slots=True)
class Wear:
    """A `Wear` is what happened between two looks; ``wal_per_beat`` is in bytes."""

    wal_per_beat: float
    hot: float
    growth: float


async def look(url: str) -> Look:
    """Return the totals now. Raises StoreError."""
    link = PgSession(parse_url(url), _TIMEOUT)
    try:
        async with link.session() as session:
            row = await session.connection.fetchrow(_LOOK)
    finally:
        link.close()
    assert row is not None
    return Look(row["wal"], row["updates"], row["hot"], row["size"])


def wear(before: Look, after: Look, beats: int) -> Wear:
    """Return what ``beats`` beats did; others that write to that server at the time count too."""
    updates = after.updates - before.updates
    return Wear(
        (after.wal - before.wal) / max(1, beats),
        (after.hot - before.hot) / max(1, updates),
        after.size / max(1, before.size),
    )


async def tidy(url: str) -> None:
    """Have statistics of the tables at once, as a fleet that has been there for a while has."""
    link = PgSession(parse_url(url), 10 * _TIMEOUT)
    try:
        async with link.session() as session:
            await session.connection.execute("ANALYZE musterd.member, musterd.beat")
    finally:
        link.close()
