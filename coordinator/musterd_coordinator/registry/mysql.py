"""The module keeps the registry in MariaDB or MySQL, which several coordinators share.

What it keeps, and which of two coordinators that see the same change tells of it, is as in
:mod:`musterd_coordinator.registry.postgres`. Nobody but the server knows there which transactions
are under way; so whoever changes what others are to hear of counts the changes, and holds the number to
the end of its transaction. Then changes end in the order of their numbers, and what was read up to one
lacks none before it.

Rows that a transaction changes bear a number of its own, below zero, until it has one for all: others
wait for the last moment of a batch, and not for all of it.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from secrets import randbits

import structlog

from musterd.errors import RegistryError
from musterd.model import Facts, Transition
from musterd.stores.mysql.schema import ensure_schema
from musterd.stores.mysql.session import MySqlSession, Session
from musterd.stores.mysql.url import Target, parse_url
from musterd_coordinator.registry import mysql_sql as sql
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
from musterd_coordinator.registry.mysql_tokens import MySqlTokens
from musterd_coordinator.registry.mysql_transactions import mark_of, reading, rows_of, within
from musterd_coordinator.registry.mysql_values import (
    ChangeMark,
    as_bytes,
    as_instant,
    as_name,
    in_json,
    is_too_old,
    told,
    with_names,
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
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import (
    FactsChanges,
    as_json,
    as_text,
    edge_of,
    facts_of,
    instant_or_none,
    lines_in,
    page_of,
    readable,
    time_for,
)

log = structlog.get_logger(__name__)

_NUMBER = 11  # in a row of a member: that of its last change


def open_url(url: str, *, namespace: str, timeout: float, coordinator: str = "") -> "MySqlRegistry":
    """Return the registry of a ``mysql:`` or ``mariadb:`` URL. Raises ConfigError for a bad one."""
    return MySqlRegistry(parse_url(url), namespace, timeout, coordinator)


class MySqlRegistry:
    """A `MySqlRegistry` is a :class:`musterd_coordinator.registry.base.Registry`.

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
        self._namespace = as_bytes(namespace)
        self._timeout = timeout
        self._coordinator = as_bytes(coordinator)
        self._page, self._batch = page, batch
        self._hosts = target.hosts
        self._links = RegistryLinks(partial(MySqlSession, target), timeout)
        self.tokens = MySqlTokens(self._links.orders, namespace, self.quarantine)
        self._me = 1 + randbits(62)
        self._mark: ChangeMark | None = None

    async def open(self) -> None:
        """Connect, and create or upgrade the tables where this user may."""
        await make_tables(self._hosts, partial(ensure_schema, self._links.orders))
        [(version, flush)] = await rows_of(self._links.orders, sql.SERVER)
        if is_too_old(str(as_text(version))):
            raise RegistryError(
                f"registry {self.url}: its server is of version {as_text(version)}, and has to be MariaDB"
                " 10.6 or newer, or MySQL 8.0: set 'registry' to another one, such as sqlite:///musterd.db"
            )
        if flush != 1 and not await rows_of(self._links.orders, sql.CLUSTER):
            note = "a power cut may take orders with it that were answered: set it to 1"
            log.warning("registry not durable", innodb_flush_log_at_trx_commit=flush, note=note)

    async def load(self) -> AsyncIterator[Portion]:
        """Yield every member that was not forgotten, in portions."""
        link, self._mark = self._links.batches, None
        now, last = await reading(link, mark_of), (b"", b"", b"")
        while True:
            rows = await rows_of(link, sql.LOAD, (self._namespace, *last, self._page))
            if rows:
                yield portion_of(readable(told(rows)[0], self.quarantine))
            if len(rows) < self._page:
                break
            last = _position(rows[-1])
        self._mark = now

    async def changed(self) -> Sequence[Entry | Gone]:
        """Return the members that others added or forgot, or that had their facts changed.

        Facts count whichever coordinator changed them, this one too.
        """
        await self._links.freshen()
        now, rows = await reading(self._links.news, self._look)
        news = self._told(rows)
        while len(rows) == self._page:
            last = rows[-1][_NUMBER], *_position(rows[-1])
            rows = await rows_of(self._links.news, sql.PAGE, self._page_after(last, now))
            news += self._told(rows)
        self._mark = now
        return news

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        """Save members and their states, and append to the history, in one transaction."""
        limit = time_for(len(members) + len(history), self._timeout)

        async def write(session: Session) -> None:
            # In turn: else each would miss what the other is writing.
            await session.execute(sql.MY_TURN)
            await self._append(session, history)  # compares with states saved before
            await self._save(session, members, known)

        await within(self._links.batches, write, limit)

    async def change_facts(self, group: str, member: str, change: ChangeFacts) -> Facts:
        """Replace a member's facts, durably."""
        key = self._namespace, as_bytes(group), as_bytes(member)

        async def work(session: Session) -> Facts:
            found = (await session.execute(sql.FACTS, key)).rows
            if not found:
                raise RegistryError(f"the registry knows no member {group}/{member}")
            before = facts_of(as_text(found[0][0]))
            after = change(before or Facts())
            if after != before:
                number = await _next_number(session)
                await session.execute(sql.CHANGE_FACTS, (as_json(after), number, EVERYBODY, *key))
            return after

        return await within(self._links.orders, work)

    async def change_facts_of(
        self, group: str, members: Sequence[str], change: ChangeFacts
    ) -> Sequence[FactsChanged]:
        """Replace the facts of many, all at once, durably."""
        among = self._namespace, as_bytes(group)

        async def work(session: Session) -> Sequence[FactsChanged]:
            # In turn: each locks many rows, as whoever records does.
            await session.execute(sql.MY_TURN)
            told, changes, marker = list[FactsChanged](), FactsChanges(change), _marker()
            for names in in_json(with_names((group, name) for name in members)):
                found = (await session.execute(sql.FACTS_OF, (names, *among))).rows
                some, others = changes.of((as_name(row[0]), as_text(row[1])) for row in found)
                told += some
                for text in in_json(others):
                    values = text, *among, marker, EVERYBODY
                    await session.execute(sql.CHANGE_FACTS_OF, values)
            if any(each.after is not each.before for each in told):
                await self._publish(session, marker)
            return told

        return await within(self._links.orders, work, time_for(len(members), self._timeout))

    async def forget(self, members: Sequence[tuple[str, str]]) -> int:
        """Drop members; their history stays, and their rows until every coordinator heard of it."""

        async def work(session: Session) -> int:
            marker = _marker()
            for names in in_json(with_names(members)):
                await session.execute(sql.FORGET, (names, self._namespace, marker, self._me))
            return await self._publish(session, marker)

        return await within(self._links.orders, work)

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """Return the newest ``limit`` state changes of a member, newest first."""
        key = self._namespace, as_bytes(group), as_bytes(member)
        rows = await rows_of(self._links.orders, sql.HISTORY, (*key, limit))
        return lines_in([tuple(map(as_text, row)) for row in rows], self.quarantine)

    async def changes(
        self, stretch: HistorySpan, before: Position | None, limit: int, most: int = LOOKED_AT
    ) -> LinePage:
        """Return lines of a stretch, newest first."""
        looked_at = limit + 1 if stretch.is_of_all else most
        time = self._time(looked_at)
        given, whom = self._given(stretch, before), _whom(stretch)
        rows = await self._texts(sql.CHANGES, (*given, looked_at, *whom, limit + 1), time)
        if len(rows) > limit:
            return page_of(rows, limit, None, self.quarantine)
        edge = edge_of(await self._texts(sql.EDGE, (*given, looked_at - 1), time))
        return page_of(rows, limit, edge, self.quarantine)

    async def count_changes(
        self, stretch: HistorySpan, step: int, most: int = COUNTED
    ) -> ChangeCounts:
        """Count the changes of a stretch by steps."""
        time, given = self._time(most), self._given(stretch, None)
        rows = await self._texts(sql.COUNTS, (step, *given, most, *_whom(stretch)), time)
        edge = edge_of(await self._texts(sql.EDGE, (*given, most - 1), time))
        return counts_from(rows, stretch, edge, step)

    def _given(self, stretch: HistorySpan, before: Position | None) -> Sequence[object]:
        begin = stretch.begin(before)
        at = as_instant(begin.at)
        return self._namespace, as_instant(stretch.since), at, at, begin.number

    async def _texts(self, statement: str, values: Sequence[object], limit: float) -> list[Row]:
        rows = await rows_of(self._links.orders, statement, values, limit)
        return [tuple(map(as_text, row)) for row in rows]

    def _time(self, rows: int) -> float:
        return time_for(rows, self._timeout)

    async def newest(self) -> datetime | None:
        """Return when the newest line of history was written."""
        rows = await rows_of(self._links.orders, sql.NEWEST, (self._namespace,))
        return instant_or_none(str(as_text(rows[0][0]))) if rows else None

    async def names_after(self, group: str, name: str, limit: int) -> Sequence[tuple[str, str]]:
        """Return the next members by group and name."""
        last = as_bytes(group), as_bytes(group), as_bytes(name)
        rows = await rows_of(self._links.news, sql.NAMES, (self._namespace, *last, limit))
        return [(as_name(row[0]), as_name(row[1])) for row in rows]

    async def lacking(self, names: Sequence[tuple[str, str]]) -> Sequence[Gone]:
        """Return those of ``names`` that are not there."""
        rows = await self._about(sql.LACKING, names)
        return [Gone(as_name(row[0]), as_name(row[1]), int(row[2])) for row in rows]

    async def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[Entry | Gone]:
        """Return what stands there of each of ``names``."""
        return self._told(await self._about(sql.LOOK_UP, names))

    async def exchange_reports(self, text: str) -> Sequence[tuple[str, float, str]]:
        """Leave ``text`` for other coordinators, and read theirs."""
        me = self._namespace, self._coordinator

        async def work(session: Session) -> Sequence[Row]:
            await session.execute(sql.REPORT, (*me, text))
            rows: Sequence[Row] = (await session.execute(sql.REPORTS, me)).rows
            return rows

        rows = await within(self._links.news, work)
        return [(as_name(name), int(age) / 1e6, str(as_text(said))) for name, age, said in rows]

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; return how many rows went."""
        return await self._prune(sql.PRUNE, as_instant(before))

    async def prune_forgotten(self, keep: timedelta) -> None:
        """Drop rows of members that were forgotten longer ago than ``keep``."""
        await self._prune(sql.PRUNE_FORGOTTEN, int(keep.total_seconds()))

    async def aclose(self) -> None:
        """Close all connections without waiting for the network."""
        self._links.close()

    async def _append(self, session: Session, history: Sequence[Row]) -> None:
        around, same = int(SAME_RESTART.total_seconds()), int(SAME_CHANGE.total_seconds())
        by = self._namespace, self._me
        first = FirstLines().among(history)
        for text in in_json(
            (*row, int(is_first)) for row, is_first in zip(history, first, strict=True)
        ):
            values = *by, self._coordinator, text, *by, self._namespace
            await session.execute(sql.APPEND, (*values, around, around, self._me, same, same))

    async def _save(self, session: Session, members: Sequence[Row], known: Sequence[int]) -> None:
        marker = _marker()
        for text in in_json(members):
            if known:
                await session.execute(sql.CLEAR, (text, self._namespace, as_json(list(known))))
            values = self._namespace, marker, self._me, self._me, text
            await session.execute(sql.SAVE, values)
        if (await session.execute(sql.HAS_NEWS, (self._namespace, marker))).rows:
            await self._publish(session, marker)

    async def _publish(self, session: Session, marker: int) -> int:
        """Give all rows with ``marker`` the number of one change; return it."""
        number = await _next_number(session)
        await session.execute(sql.PUBLISH, (number, self._namespace, marker))
        return number

    async def _look(self, session: Session) -> tuple[ChangeMark, Sequence[Row]]:
        """Return the moment, and the first page of what changed up to it."""
        now = await mark_of(session)
        first = now.read_from(self._mark) + 1, b"", b"", b""
        return now, (await session.execute(sql.PAGE, self._page_after(first, now))).rows

    def _page_after(
        self, last: tuple[int, bytes, bytes, bytes], now: ChangeMark
    ) -> Sequence[object]:
        number, *position = last
        return self._namespace, self._me, now.number, number, number, *position, self._page

    def _told(self, rows: Sequence[Row]) -> list[Entry | Gone]:
        members, gone = told(rows)
        return [*readable(members, self.quarantine), *gone]

    async def _about(self, statement: str, names: Sequence[tuple[str, str]]) -> Sequence[Row]:
        rows = list[Row]()
        for text in in_json(with_names(names)):
            rows += await rows_of(self._links.news, statement, (text, self._namespace))
        return rows

    async def _prune(self, statement: str, what: str | int) -> int:
        total, batch = 0, self._batch
        values = self._namespace, what, self._batch

        async def work(session: Session) -> int:
            return int((await session.execute(statement, values)).affected_rows)

        while batch == self._batch:
            batch = await within(self._links.batches, work)
            total += batch
        return total


async def _next_number(session: Session) -> int:
    """Take the number of the next change; others wait for the end of this transaction."""
    await session.execute(sql.COUNT)
    [(number,)] = (await session.execute(sql.NUMBER)).rows
    return int(number)


def _whom(stretch: HistorySpan) -> Sequence[object]:
    group = None if stretch.group is None else as_bytes(stretch.group)
    zone = None if stretch.zone is None else as_bytes(stretch.zone)
    return group, group, zone, zone


def _marker() -> int:
    """Return what no other transaction marks its rows with."""
    return -1 - randbits(62)


def _position(row: Row) -> tuple[bytes, bytes, bytes]:
    group, name = bytes(row[0]), bytes(row[1])
    return group, group, name
