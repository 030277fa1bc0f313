"""The module keeps the registry in PostgreSQL, which several coordinators share.

Two coordinators see the same changes of state, each in its own time. A line of history belongs to
the one that told of it first: where another one saved that state already, however long ago, or
wrote the same change within
:data:`~musterd_coordinator.registry.links.SAME_CHANGE`, nothing is written. Of saved states the last
writer's stay: they only matter to a coordinator that starts. Facts are the same for all of them.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from secrets import randbits
from typing import Any

import asyncpg
import structlog

from musterd.errors import RegistryError, RegistryRefused, ShardRefused, StoreError
from musterd.model import Facts, Transition
from musterd.stores.postgres.schema import ensure_schema
from musterd.stores.postgres.session import Connection, PgSession
from musterd.stores.postgres.url import Target, parse_url
from musterd_coordinator.registry import postgres_sql as sql
from musterd_coordinator.registry.base import (
    ChangeFacts,
    Entry,
    FactsChanged,
    Gone,
    Portion,
    Row,
    portion_of,
)
from musterd_coordinator.registry.links import (
    BATCH,
    EVERYBODY,
    PAGE,
    SAME_CHANGE,
    SAME_RESTART,
    FirstLines,
    RegistryLinks,
    make_tables,
)
from musterd_coordinator.registry.past import (
    COUNTED,
    LOOKED_AT,
    ChangeCounts,
    HistorySpan,
    LinePage,
    Position,
    counts_from,
)
from musterd_coordinator.registry.postgres_tokens import PostgresTokens
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import (
    FactsChanges,
    as_json,
    edge_of,
    facts_of,
    lines_in,
    page_of,
    readable,
    time_for,
)
from musterd_coordinator.sweep.postgres.mark import SnapshotMark, catch_up, living_mark

log = structlog.get_logger(__name__)

STATEMENT = 2000  # rows: making one with five times as many stops the event loop for long

# A value is to blame, not the server: data exceptions, integrity, limits, a trigger's own words.
_REFUSALS = ("22", "23", "54", "P0")
_UNSENDABLE = (UnicodeError, OverflowError, asyncpg.DataError)


def open_url(
    url: str, *, namespace: str, timeout: float, coordinator: str = ""
) -> "PostgresRegistry":
    """Return the registry of a PostgreSQL URL. Raises ConfigError for a bad one."""
    return PostgresRegistry(parse_url(url), namespace, timeout, coordinator)


class PostgresRegistry:
    """A `PostgresRegistry` is a :class:`musterd_coordinator.registry.base.Registry`.

    It reads ``page`` rows at a time, and prunes ``batch``.
    """

    shared = True

    def __init__(
        self,
        target: Target,
        namespace: str,
        timeout: float,
        coordinator: str = "",
        *,
        page: int = PAGE,
        batch: int = BATCH,
    ) -> None:
        self.url = target.url
        self.quarantine = RowQuarantine("registry row damaged")
        self._namespace = namespace
        self._timeout = timeout
        self._coordinator = coordinator
        self._page, self._batch = page, batch
        self._hosts = target.hosts
        self._links = RegistryLinks(partial(PgSession, target), timeout)
        self.tokens = PostgresTokens(
            partial(self._transaction, self._links.orders), namespace, self.quarantine
        )
        self._me = 1 + randbits(62)
        self._mark: SnapshotMark | None = None
        self._heard: set[tuple[int, str, str]] = set()  # what the next reading brings again

    async def open(self) -> None:
        """Connect, and create or upgrade the tables where this role may."""
        await make_tables(self._hosts, partial(ensure_schema, self._links.orders))
        async with self._transaction(self._links.orders) as connection:
            encoding = await connection.fetchval(sql.ENCODING)
        if encoding != "UTF8":
            note = "what it cannot write is left out; a database in UTF8 takes everything"
            log.warning("registry not in UTF8", encoding=encoding, note=note)

    async def load(self) -> AsyncIterator[Portion]:
        """Yield every member that was not forgotten, in portions."""
        self._mark, self._heard = None, set()
        async for news in self._read(self._links.batches, sql.LOAD, told_by=None):
            yield portion_of([each for each in news if isinstance(each, Entry)])

    async def changed(self) -> Sequence[Entry | Gone]:
        """Return the members that others added or forgot, or that had their facts changed.

        Facts count whichever coordinator changed them, this one too.
        """
        await self._links.freshen()
        return [
            each
            async for news in self._read(self._links.news, sql.PAGE, told_by=self._me)
            for each in news
        ]

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        """Save members and their states, and append to the history, in one transaction."""
        limit = time_for(len(members) + len(history), self._timeout)
        given = self._namespace, self._me, list(map(str, known))
        async with self._transaction(self._links.batches, limit) as connection:
            # In turn: else each would miss what the other is writing, and both could deadlock.
            await connection.execute(sql.MY_TURN)
            await self._append(connection, history)  # compares with states saved before
            for columns in _batches(members):
                await connection.execute(sql.SAVE, *given, *columns)

    async def change_facts(self, group: str, member: str, change: ChangeFacts) -> Facts:
        """Replace a member's facts, durably."""
        key = self._namespace, group, member
        async with self._transaction(self._links.orders) as connection:
            await connection.execute(sql.DURABLE)
            text = await connection.fetchval(sql.FACTS, *key)
            if text is None:
                raise RegistryError(f"the registry knows no member {group}/{member}")
            before = facts_of(text)
            after = change(before or Facts())
            if after != before:
                await connection.execute(sql.CHANGE_FACTS, *key, as_json(after), EVERYBODY)
        return after

    async def change_facts_of(
        self, group: str, members: Sequence[str], change: ChangeFacts
    ) -> Sequence[FactsChanged]:
        """Replace the facts of many, all at once, durably."""
        told, changes, among = list[FactsChanged](), FactsChanges(change), (self._namespace, group)
        limit = time_for(len(members), self._timeout)
        async with self._transaction(self._links.orders, limit) as connection:
            await connection.execute(sql.DURABLE)
            # In turn: each locks many rows, as whoever records does.
            await connection.execute(sql.MY_TURN)
            for at in range(0, len(members), STATEMENT):
                names = members[at : at + STATEMENT]
                found = await connection.fetch(sql.FACTS_OF, *among, names)
                some, others = changes.of((row[0], row[1]) for row in found)
                told += some
                if others:
                    columns = zip(*others, strict=True)
                    await connection.execute(sql.CHANGE_FACTS_OF, *among, *columns, EVERYBODY)
        return told

    async def forget(self, members: Sequence[tuple[str, str]]) -> int:
        """Drop members; their history stays, and their rows until every coordinator heard of it."""
        groups, names = zip(*members, strict=True) if members else ((), ())
        async with self._transaction(self._links.orders) as connection:
            await connection.execute(sql.DURABLE)
            await connection.execute(sql.FORGET, self._namespace, groups, names, self._me)
            return int(await connection.fetchval(sql.NUMBER))

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """Return the newest ``limit`` state changes of a member, newest first."""
        async with self._transaction(self._links.orders) as connection:
            rows = await connection.fetch(sql.HISTORY, self._namespace, group, member, limit)
        return lines_in(map(tuple, rows), self.quarantine)

    async def changes(
        self, stretch: HistorySpan, before: Position | None, limit: int, most: int = LOOKED_AT
    ) -> LinePage:
        """Return lines of a stretch, newest first."""
        looked_at = limit + 1 if stretch.is_of_all else most
        given, edge = self._given(stretch, before, looked_at), None
        async with self._transaction(self._links.orders, self._time(looked_at)) as connection:
            rows = await connection.fetch(
                sql.CHANGES, *given, stretch.group, stretch.zone, limit + 1
            )
            if len(rows) <= limit:
                edge = edge_of([tuple(row) for row in await connection.fetch(sql.EDGE, *given)])
        return page_of([tuple(row) for row in rows], limit, edge, self.quarantine)

    async def count_changes(
        self, stretch: HistorySpan, step: int, most: int = COUNTED
    ) -> ChangeCounts:
        """Count the changes of a stretch by steps."""
        given = self._given(stretch, None, most)
        async with self._transaction(self._links.orders, self._time(most)) as connection:
            rows = await connection.fetch(sql.COUNTS, *given, stretch.group, stretch.zone, step)
            edge = edge_of([tuple(row) for row in await connection.fetch(sql.EDGE, *given)])
        return counts_from([tuple(row) for row in rows], stretch, edge, step)

    def _given(
        self, stretch: HistorySpan, before: Position | None, most: int
    ) -> tuple[str, datetime, datetime, int, int]:
        return self._namespace, stretch.since, *stretch.begin(before), most

    def _time(self, rows: int) -> float:
        return time_for(rows, self._timeout)

    async def newest(self) -> datetime | None:
        """Return when the newest line of history was written."""
        async with self._transaction(self._links.orders) as connection:
            at: datetime | None = await connection.fetchval(sql.NEWEST, self._namespace)
        return at

    async def names_after(self, group: str, name: str, limit: int) -> Sequence[tuple[str, str]]:
        """Return the next members by group and name."""
        async with self._transaction(self._links.news) as connection:
            rows = await connection.fetch(sql.NAMES, self._namespace, group, name, limit)
        return [(row[0], row[1]) for row in rows]

    async def lacking(self, names: Sequence[tuple[str, str]]) -> Sequence[Gone]:
        """Return those of ``names`` that are not there."""
        rows = await self._about(sql.LACKING, names)
        return [Gone(row[0], row[1], int(row[2])) for row in rows]

    async def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[Entry | Gone]:
        """Return what stands there of each of ``names``."""
        return self._told(await self._about(sql.LOOK_UP, names))

    async def _about(
        self, statement: str, names: Sequence[tuple[str, str]]
    ) -> Sequence[asyncpg.Record]:
        if not names:
            return ()
        columns = zip(*names, strict=True)
        async with self._transaction(self._links.news) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                statement, self._namespace, *map(list, columns)
            )
        return rows

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; return how many rows went."""
        return await self._prune(sql.PRUNE, before)

    async def exchange_reports(self, text: str) -> Sequence[tuple[str, float, str]]:
        """Leave ``text`` for other coordinators, and read theirs."""
        me = self._namespace, self._coordinator
        async with self._transaction(self._links.news) as connection:
            await connection.execute(sql.REPORT, *me, text)
            rows = await connection.fetch(sql.REPORTS, *me)
        return [(row[0], row[1], row[2]) for row in rows]

    async def prune_forgotten(self, keep: timedelta) -> None:
        """Drop rows of members that were forgotten longer ago than ``keep``."""
        await self._prune(sql.PRUNE_FORGOTTEN, keep)

    async def aclose(self) -> None:
        """Close all connections without waiting for the network."""
        self._links.close()

    @asynccontextmanager
    async def _transaction(
        self, link: PgSession, limit: float | None = None
    ) -> AsyncIterator[Connection]:
        try:
            async with link.transaction(limit) as connection:
                try:
                    yield connection
                except _UNSENDABLE as error:
                    raise RegistryRefused(f"registry {link.name}: {error}") from None
                except asyncpg.PostgresError as error:
                    if str(error.sqlstate).startswith(_REFUSALS):
                        raise RegistryRefused(f"registry {link.name}: {error}") from None
                    raise
        except StoreError as error:
            raise RegistryError(f"registry {error}") from None

    async def _append(self, connection: Connection, history: Sequence[Row]) -> None:
        given = self._namespace, self._me, self._coordinator, SAME_CHANGE, SAME_RESTART
        first = FirstLines()
        for begin in range(0, len(history), STATEMENT):
            lines = history[begin : begin + STATEMENT]
            columns = zip(*lines, strict=True)
            await connection.execute(sql.APPEND, *given, *columns, first.among(lines))

    async def _prune(self, statement: str, what: datetime | timedelta) -> int:
        total, batch = 0, self._batch
        while batch == self._batch:
            async with self._transaction(self._links.batches) as connection:
                status = await connection.execute(statement, self._namespace, what, self._batch)
            batch = int(status.removeprefix("DELETE "))
            total += batch
        return total

    async def _read(
        self, link: PgSession, statement: str, told_by: int | None
    ) -> AsyncIterator[list[Entry | Gone]]:
        """Yield what changed since the last reading, without what ``told_by`` itself did."""
        now = await self._now(link)
        if now.read_from(self._mark) is None and await self._catch_up(link):
            now = await self._now(link)
        heard = set()
        since = now.read_from(self._mark) or 0
        async for page in self._pages(link, statement, since, told_by):
            versions = list(map(_version, page))
            heard |= {version for version in versions if version[0] >= now.oldest}
            news = zip(page, versions, strict=True)
            yield self._told([row for row, version in news if version not in self._heard])
        self._mark, self._heard = now, heard

    async def _now(self, link: PgSession) -> SnapshotMark:
        async with self._transaction(link) as connection:
            return await living_mark(connection, sql.TABLE)

    async def _catch_up(self, link: PgSession) -> int:
        try:
            return await catch_up(link, sql.TABLE)
        except ShardRefused:  # a damaged row may not be written; they are read nonetheless
            return 0
        except StoreError as error:
            raise RegistryError(f"registry {error}") from None

    def _told(self, rows: Sequence[asyncpg.Record]) -> list[Entry | Gone]:
        gone = [Gone(row[0], row[1], int(row[11])) for row in rows if row[12]]
        return [*readable((row[:11] for row in rows if not row[12]), self.quarantine), *gone]

    async def _pages(
        self, link: PgSession, statement: str, since: int, told_by: int | None
    ) -> AsyncIterator[Sequence[asyncpg.Record]]:
        position = since, "", ""
        while True:
            async with self._transaction(link) as connection:
                await connection.execute(sql.BY_INDEX)
                page = await connection.fetch(
                    *(
                        statement,
                        self._namespace,
                        str(position[0]),
                        *position[1:],
                        told_by,
                        self._page,
                    )
                )
            if page:
                yield page
            if len(page) < self._page:
                return
            position = _version(page[-1])


def _version(row: asyncpg.Record) -> tuple[int, str, str]:
    return int(row[11]), row[0], row[1]


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the columns of ``rows``, a statement's worth at a time."""
    for first in range(0, len(rows), STATEMENT):
        yield list(zip(*rows[first : first + STATEMENT], strict=True))
