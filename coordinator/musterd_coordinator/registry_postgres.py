"""The registry in PostgreSQL, which several coordinators share.

Two coordinators see the same changes of state, each in its own time. A change that another
coordinator wrote already, within :data:`SAME_CHANGE`, is not written again; ``recorded_by`` says
whose a line is. Of saved states the last writer's stay: they only matter to a coordinator that
starts. Facts are the same for all of them.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from secrets import randbits
from typing import Any

import asyncpg

from musterd.errors import RegistryError, StoreError
from musterd.model import Facts, Transition
from musterd.stores.postgres_changes import Mark, mark
from musterd.stores.postgres_link import Connection, Link, Target, parse_url
from musterd.stores.postgres_schema import LOCK, ensure_schema
from musterd_coordinator.registry import Entry, Portion, Row, portion_of
from musterd_coordinator.registry_rows import as_json, entry_of, time_for, transition_of

SAME_CHANGE = timedelta(seconds=30)
PAGE = 1000
BATCH = 10_000
STATEMENT = 2000  # rows: making one with five times as many stops the event loop for long
EVERYBODY = 0
"""In ``changed_by``: the writer is told too, or orders that cross might leave it the older one."""

_PAGE = """
SELECT "group", name, zone, owner, metadata::text, facts::text, state, reason, since, first_seen,
    interval_s, changed::text AS version, forgotten_at
FROM musterd.registry
WHERE namespace = $1 AND (changed, "group", name) > ($2::text::xid8, $3, $4)
    AND changed_by IS DISTINCT FROM $5
ORDER BY registry.changed, "group", name LIMIT $6
"""
# Before its first ANALYZE a table that a whole fleet just joined looks small, and the planner would
# rather sort all of it for each page.
_BY_INDEX = "SET LOCAL enable_sort = off"
# A row that another coordinator forgot comes back to life only for a member that was first seen
# at another time: one that joined anew, and not one whose end this coordinator has yet to hear of.
_SAVE = """
INSERT INTO musterd.registry AS r (
    namespace, "group", name, zone, owner, metadata, facts, state, reason, since, first_seen,
    interval_s, changed, changed_by)
SELECT $1, a, b, c, d, e::jsonb, f::jsonb, g, h, i, j, k, pg_current_xact_id(), $2
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::timestamptz[], $13::float8[])
    AS t(a, b, c, d, e, f, g, h, i, j, k)
ON CONFLICT (namespace, "group", name) DO UPDATE SET
    zone = excluded.zone, owner = excluded.owner, metadata = excluded.metadata,
    state = excluded.state, reason = excluded.reason, since = excluded.since,
    interval_s = excluded.interval_s, forgotten_at = NULL,
    facts = CASE WHEN r.forgotten_at IS NULL THEN r.facts ELSE excluded.facts END,
    first_seen = CASE WHEN r.forgotten_at IS NULL THEN r.first_seen ELSE excluded.first_seen END,
    changed = CASE WHEN r.forgotten_at IS NULL THEN r.changed ELSE excluded.changed END,
    changed_by = CASE WHEN r.forgotten_at IS NULL THEN r.changed_by ELSE excluded.changed_by END
WHERE r.forgotten_at IS NULL OR r.first_seen <> excluded.first_seen
"""
# An own line is one that this call wrote already: it was given up, and then made again.
_APPEND = """
INSERT INTO musterd.history (
    namespace, recorded_by, version, at, "group", name, old, new, reason)
SELECT $1, $2, t.* FROM unnest($4::bigint[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[]) AS t(version, at, "group", name, old, new, reason)
WHERE NOT EXISTS (
    SELECT FROM musterd.history h
    WHERE (h.namespace, h."group", h.name) = ($1, t."group", t.name)
        AND h.at BETWEEN t.at - $3::interval AND t.at + $3::interval
        AND (h.old, h.new) = (t.old, t.new)
        AND CASE WHEN h.recorded_by = $2
            THEN (h.at, h.version, h.reason) = (t.at, t.version, t.reason)
            ELSE t.old <> t.new OR h.reason = t.reason END)
"""
_CHANGE_FACTS = """
UPDATE musterd.registry SET facts = $4::text::jsonb, changed = pg_current_xact_id(), changed_by = $5
WHERE (namespace, "group", name) = ($1, $2, $3) AND forgotten_at IS NULL
"""
_FORGET = """
UPDATE musterd.registry SET forgotten_at = now(), changed = pg_current_xact_id(), changed_by = $4
FROM unnest($2::text[], $3::text[]) AS gone (in_group, called)
WHERE (namespace, "group", name) = ($1, in_group, called) AND forgotten_at IS NULL
"""
_DURABLE = """
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') = 'off'
"""
_HISTORY = """
SELECT version, at, "group", name, old, new, reason FROM musterd.history
WHERE (namespace, "group", name) = ($1, $2, $3) ORDER BY at DESC, id DESC LIMIT $4
"""
_PRUNE = """
DELETE FROM musterd.history WHERE id IN (
    SELECT id FROM musterd.history WHERE namespace = $1 AND at < $2 LIMIT $3)
"""
_PRUNE_FORGOTTEN = "DELETE FROM musterd.registry WHERE namespace = $1 AND forgotten_at < $2"


def open_url(url: str, *, namespace: str, timeout: float) -> "PostgresRegistry":
    """The registry of a PostgreSQL URL. Raises ConfigError for a bad one."""
    return PostgresRegistry(parse_url(url), namespace, timeout)


class PostgresRegistry:
    """See :class:`musterd_coordinator.registry.Registry`.

    Orders and questions have a connection of their own: they never wait for a batch.
    """

    def __init__(self, target: Target, namespace: str, timeout: float) -> None:
        self.url = target.url
        self._namespace = namespace
        self._timeout = timeout
        self._orders = Link(target, timeout)
        self._batches = Link(target, timeout)
        self._me = 1 + randbits(62)
        self._mark: Mark | None = None
        self._heard: set[tuple[int, str, str]] = set()  # what the next reading brings again

    async def open(self) -> None:
        """Connect, and create or upgrade the tables where this role may."""
        try:
            await ensure_schema(self._orders)
        except StoreError as error:
            raise RegistryError(f"registry {error}") from None

    async def load(self) -> AsyncIterator[Portion]:
        """Every member that was not forgotten, in portions."""
        self._mark, self._heard = None, set()
        async for news in self._read(told_by=None):
            yield portion_of([each for each in news if isinstance(each, Entry)])

    async def changed(self) -> Sequence[Entry | tuple[str, str]]:
        """Members that were added or forgotten by others, or whose facts anybody changed."""
        return [each async for news in self._read(told_by=self._me) for each in news]

    async def record(self, members: Sequence[Row], history: Sequence[Row]) -> None:
        """Save members and their states, and append to the history, in one transaction."""
        limit = time_for(len(members) + len(history), self._timeout)
        async with self._transaction(self._batches, limit) as connection:
            # In turn: else each would miss what the other is writing, and both could deadlock.
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK + 1})")
            for columns in _batches(members):
                await connection.execute(_SAVE, self._namespace, self._me, *columns)
            for columns in _batches(history):
                await connection.execute(_APPEND, self._namespace, self._me, SAME_CHANGE, *columns)

    async def change_facts(self, group: str, member: str, facts: Facts) -> None:
        """Replace a member's facts, durably."""
        key = self._namespace, group, member
        async with self._transaction(self._orders) as connection:
            await connection.execute(_DURABLE)
            hit = await connection.execute(_CHANGE_FACTS, *key, as_json(facts), EVERYBODY)
        if hit != "UPDATE 1":
            raise RegistryError(f"the registry knows no member {group}/{member}")

    async def forget(self, members: Sequence[tuple[str, str]]) -> None:
        """Drop members; their history stays, and their rows until everybody heard of it."""
        groups, names = zip(*members, strict=True) if members else ((), ())
        async with self._transaction(self._orders) as connection:
            await connection.execute(_DURABLE)
            await connection.execute(_FORGET, self._namespace, groups, names, self._me)

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """The newest ``limit`` state changes of a member, newest first."""
        async with self._transaction(self._orders) as connection:
            rows = await connection.fetch(_HISTORY, self._namespace, group, member, limit)
        return [transition_of(row) for row in rows]

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; how many rows went."""
        total, batch = 0, BATCH
        while batch == BATCH:
            async with self._transaction(self._batches) as connection:
                status = await connection.execute(_PRUNE, self._namespace, before, BATCH)
            batch = int(status.removeprefix("DELETE "))
            total += batch
        async with self._transaction(self._batches) as connection:
            await connection.execute(_PRUNE_FORGOTTEN, self._namespace, before)
        return total

    async def aclose(self) -> None:
        """Close both connections without waiting for the network."""
        self._orders.close()
        self._batches.close()

    @asynccontextmanager
    async def _transaction(
        self, link: Link, limit: float | None = None
    ) -> AsyncIterator[Connection]:
        try:
            async with link.transaction(limit) as connection:
                yield connection
        except StoreError as error:
            raise RegistryError(f"registry {error}") from None

    async def _read(self, told_by: int | None) -> AsyncIterator[list[Entry | tuple[str, str]]]:
        """What changed since the last reading, without what ``told_by`` itself did."""
        async with self._transaction(self._batches) as connection:
            now = await mark(connection, "musterd.registry")
        heard = set()
        async for page in self._pages(now.since(self._mark) or 0, told_by):
            versions = list(map(_version, page))
            heard |= {version for version in versions if version[0] >= now.oldest}
            yield [
                _news(row)
                for row, version in zip(page, versions, strict=True)
                if version not in self._heard
            ]
        self._mark, self._heard = now, heard

    async def _pages(
        self, since: int, told_by: int | None
    ) -> AsyncIterator[Sequence[asyncpg.Record]]:
        position = since, "", ""
        while True:
            async with self._transaction(self._batches) as connection:
                await connection.execute(_BY_INDEX)
                page = await connection.fetch(
                    *(_PAGE, self._namespace, str(position[0]), *position[1:], told_by, PAGE)
                )
            if page:
                yield page
            if len(page) < PAGE:
                return
            position = _version(page[-1])


def _version(row: asyncpg.Record) -> tuple[int, str, str]:
    return int(row[11]), row[0], row[1]


def _news(row: asyncpg.Record) -> Entry | tuple[str, str]:
    forgotten = row[12] is not None
    return (row[0], row[1]) if forgotten else entry_of(row[:11])


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Sequence[Any]]]:
    """The columns of ``rows``, a statement's worth at a time."""
    for first in range(0, len(rows), STATEMENT):
        yield list(zip(*rows[first : first + STATEMENT], strict=True))
