"""The module keeps the registry in a SQLite file, one coordinator's as long as that one runs."""

import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from musterd.errors import ConfigError, RegistryError, RegistryInUse, RegistryRefused
from musterd.model import Facts, Transition
from musterd_coordinator.registry import sqlite_sql as sql
from musterd_coordinator.registry.base import (
    ChangeFacts,
    Entry,
    FactsChanged,
    Gone,
    Portion,
    Row,
    portion_of,
)
from musterd_coordinator.registry.past import (
    COUNTED,
    LOOKED_AT,
    ChangeCounts,
    HistorySpan,
    LinePage,
    Position,
)
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import (
    FactsChanges,
    as_json,
    as_text,
    facts_of,
    instant_or_none,
    lines_in,
    portion_in,
    readable,
    time_for,
)
from musterd_coordinator.registry.sqlite_file import prepare
from musterd_coordinator.registry.sqlite_hindsight import SqliteHindsight
from musterd_coordinator.registry.sqlite_tokens import SqliteTokens
from musterd_coordinator.registry.sqlite_values import as_value, is_in_use, reason_of

PRUNE_BATCH = 10_000
LOAD_BATCH = 4000
_STAGED = 100  # rows of one statement: the event loop waits for Python's lock no longer than that
_FORM = "write sqlite:///relative.db or sqlite:////absolute/path.db"

# A value is to blame, not the file.
_REFUSALS = (
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(UnicodeError, OverflowError),
)
_UNREADABLE = (sqlite3.OperationalError, UnicodeError, ValueError)

T = TypeVar("T")
Key = tuple[Any, Any]


def open_url(
    url: str, *, namespace: str, timeout: float, coordinator: str = ""
) -> "SqliteRegistry":
    """Return the registry of a ``sqlite:`` URL. Raises ConfigError for a bad one."""
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found:
        raise ConfigError(f"registry URL {url!r} is not well formed: {_FORM}")
    if path in ("", "/", ":memory:") or path.endswith("/") or "?" in path or "#" in path:
        raise ConfigError(f"registry URL {url!r} names no file: {_FORM}")
    return SqliteRegistry(Path(path), namespace, timeout, coordinator)


class SqliteRegistry:
    """A `SqliteRegistry` is a :class:`musterd_coordinator.registry.base.Registry`.

    It does one call at a time, in a worker thread. A call that is given up (deadline, cancellation)
    while the disk hangs goes on in its thread, and may or may not take effect; the calls after it
    wait for it, within their own deadlines. It reads ``page`` rows at a time, and prunes ``batch``.
    """

    shared = False

    def __init__(
        self,
        path: Path,
        namespace: str,
        timeout: float,
        coordinator: str = "",
        *,
        page: int = LOAD_BATCH,
        batch: int = PRUNE_BATCH,
    ) -> None:
        self.url = f"sqlite:///{path.absolute()}"
        self.quarantine = RowQuarantine("registry row damaged")
        self.tokens = SqliteTokens(self._within, namespace, self.quarantine)
        self._hindsight = SqliteHindsight(self._call, self._raw, namespace, self.quarantine)
        self._path = path
        self._namespace = namespace
        self._coordinator = coordinator
        self._page, self._batch = page, batch
        self._timeout = timeout
        self._limiter: anyio.CapacityLimiter | None = None
        self._busy = threading.Lock()
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file, make or check its tables, and keep other coordinators out."""
        await self._call(self._open)

    async def load(self) -> AsyncIterator[Portion]:
        """Yield every member that was not forgotten, in portions, by group and name."""
        last: Key | None = ("", "")
        while last is not None:
            portion, last = await self._call(partial(self._load_after, *last), self._page)
            if len(portion):
                yield portion

    async def changed(self) -> Sequence[Entry | Gone]:
        """Return nothing: no other coordinator can write to the file."""
        return ()

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        """Save members and their states, and append to the history, in one transaction."""

        def save() -> None:
            self._write("new_member", members, sql.SAVE, self._namespace)
            self._append(history)

        await self._call(save, len(members) + len(history))

    async def change_facts(self, group: str, member: str, change: ChangeFacts) -> Facts:
        """Replace a member's facts, durably."""
        key = self._namespace, group, member

        def work() -> Facts:
            found = self._db.execute(sql.FACTS, key).fetchone()
            if found is None:
                raise RegistryError(f"the registry knows no member {group}/{member}")
            before = facts_of(found[0])
            after = change(before or Facts())
            if after != before:
                self._db.execute(sql.CHANGE_FACTS, (as_json(after), *key))
            return after

        return await self._call(work)

    async def change_facts_of(
        self, group: str, members: Sequence[str], change: ChangeFacts
    ) -> Sequence[FactsChanged]:
        """Replace the facts of many, all at once, durably."""

        def work() -> Sequence[FactsChanged]:
            self._stage("named", [(name,) for name in members])
            found = self._db.execute(sql.FACTS_OF, (self._namespace, group)).fetchall()
            told, rows = FactsChanges(change).of(found)
            self._db.execute("DELETE FROM named")
            self._write("new_facts", rows, sql.CHANGE_FACTS_OF, self._namespace, group)
            return told

        return await self._call(work, len(members))

    async def forget(self, members: Sequence[tuple[str, str]]) -> int:
        """Drop members; their history stays."""
        rows = [(self._namespace, *each) for each in members]
        await self._call(lambda: self._db.executemany(sql.FORGET, rows), len(rows))
        return 0

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """Return the newest ``limit`` state changes of a member, newest first."""
        row = self._namespace, group, member, limit
        rows = await self._call(lambda: self._raw(sql.HISTORY, row))
        return lines_in(rows, self.quarantine)

    async def changes(
        self, stretch: HistorySpan, before: Position | None, limit: int, most: int = LOOKED_AT
    ) -> LinePage:
        """Return lines of a stretch, newest first."""
        return await self._hindsight.changes(stretch, before, limit, most)

    async def count_changes(
        self, stretch: HistorySpan, step: int, most: int = COUNTED
    ) -> ChangeCounts:
        """Count the changes of a stretch by steps."""
        return await self._hindsight.counts(stretch, step, most)

    async def newest(self) -> datetime | None:
        """Return when the newest line of history was written."""
        row = await self._call(lambda: self._db.execute(sql.NEWEST, (self._namespace,)).fetchone())
        return None if row is None else instant_or_none(row[0])

    async def names_after(self, group: str, name: str, limit: int) -> Sequence[tuple[str, str]]:
        """Return no member: the coordinator that uses the file knows all that is in it.

        The next two return nothing for the same reason.
        """
        return ()

    async def lacking(self, names: Sequence[tuple[str, str]]) -> Sequence[Gone]:
        """Return no member."""
        return ()

    async def look_up(self, names: Sequence[tuple[str, str]]) -> Sequence[Entry | Gone]:
        """Return nothing."""
        return ()

    async def exchange_reports(self, text: str) -> Sequence[tuple[str, float, str]]:
        """Return nothing: there are no other coordinators."""
        return ()

    async def prune_forgotten(self, keep: timedelta) -> None:
        """Do nothing: a member that was forgotten has no row any more."""

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; return how many rows went."""
        total, batch = 0, self._batch
        while batch == self._batch:
            row = self._namespace, as_value(before), self._batch
            batch = await self._execute(sql.PRUNE, row)
            total += batch
        return total

    async def aclose(self) -> None:
        """Close the file."""
        with anyio.CancelScope(shield=True), suppress(RegistryError):
            await self._call(self._close)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._database is None:
            raise RegistryError(f"registry {self._path}: not open")
        return self._database

    async def _execute(self, statement: str, row: Row) -> int:
        """Run one statement in a transaction; return how many rows it hit."""
        return await self._call(lambda: self._db.execute(statement, row).rowcount)

    async def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._call(lambda: work(self._db))

    async def _call(self, work: Callable[[], T], rows: int = 0) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(1)
        limit = time_for(rows, self._timeout)
        try:
            with anyio.fail_after(limit):
                return await to_thread.run_sync(
                    self._in_transaction,
                    *(work, limit),
                    abandon_on_cancel=True,
                    limiter=self._limiter,
                )
        except TimeoutError:
            raise RegistryError(
                f"registry {self._path}: no answer within {limit:g} s; is the disk stuck?"
            ) from None
        except _REFUSALS as error:
            raise RegistryRefused(f"registry {self._path}: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(f"registry {self._path}: {error}") from None

    def _in_transaction(self, work: Callable[[], T], limit: float) -> T:
        # A call that was given up may still hold this; by then nothing waits for ours either.
        if not self._busy.acquire(timeout=limit):
            raise TimeoutError
        try:
            if self._database is None:
                return work()
            with self._database:
                return work()
        finally:
            self._busy.release()

    def _open(self) -> None:
        if not self._path.parent.is_dir():
            raise RegistryError(
                f"registry {self._path}: there is no folder {self._path.parent.absolute()}"
            )
        try:
            # Its journals get the same mode from SQLite.
            # Only a new file: to close one that is there would end this process's locks on it.
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            database = sqlite3.connect(self._path, timeout=0, check_same_thread=False)
            try:
                prepare(database)
            except BaseException:
                database.close()
                raise
        except sqlite3.Error as error:
            refused = RegistryInUse if is_in_use(error) else RegistryError
            raise refused(f"registry {self._path}: {reason_of(error)}") from None
        except OSError as error:
            raise RegistryError(
                f"registry {self._path}: this user cannot write it and its folder"
                f" ({error.strerror})"
            ) from None
        self._database = database

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _load_after(self, group: str, name: str) -> tuple[Portion, "Key | None"]:
        """Return the next members by group and name, and the last of them; None after all."""
        row = self._namespace, group, name, self._page
        try:
            portion = portion_in(self._db.execute(sql.LOAD, row).fetchall())
        except (RegistryError, *_UNREADABLE):
            return self._load_one_by_one(row)
        if len(portion) < self._page:
            return portion, None
        return portion, (portion.samples[portion.kinds[-1]].member.group, portion.names[-1])

    def _load_one_by_one(self, row: Row) -> tuple[Portion, "Key | None"]:
        rows = self._raw(sql.LOAD_RAW, row)
        last = rows[-1][:2] if len(rows) == self._page else None
        return portion_of(readable(rows, self.quarantine)), last

    def _raw(self, statement: str, row: Row | Mapping[str, object]) -> list[Row]:
        """Return what ``statement`` finds, whether or not all of it is text that can be read."""
        self._db.text_factory = bytes
        try:
            found = self._db.execute(statement, row).fetchall()
        finally:
            self._db.text_factory = str
        return [tuple(map(as_text, each)) for each in found]

    def _append(self, history: Sequence[Row]) -> None:
        self._write("new_history", history, sql.APPEND, self._namespace, self._coordinator)

    def _write(self, table: str, rows: Sequence[Row], statement: str, *given: str) -> None:
        """Put ``rows`` into a temporary table, and by ``statement`` from there where they belong."""
        self._stage(table, rows)
        if rows:
            self._db.execute(statement, given)
            self._db.execute(f"DELETE FROM {table}")

    def _stage(self, table: str, rows: Sequence[Row]) -> None:
        for at in range(0, len(rows), _STAGED):
            part = rows[at : at + _STAGED]
            places = f"({', '.join('?' * len(part[0]))})"
            values = list(map(as_value, chain.from_iterable(part)))
            self._db.execute(
                f"INSERT INTO {table} VALUES {', '.join([places] * len(part))}", values
            )
