"""The registry in a SQLite file, which belongs to one coordinator as long as that one runs."""

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from musterd.errors import ConfigError, RegistryError
from musterd.model import Facts, Transition
from musterd_coordinator.registry import Entry, Portion, Row
from musterd_coordinator.registry_rows import as_json, portion_in, time_for, transition_of

VERSION = 1
PRUNE_BATCH = 10_000
LOAD_BATCH = 4000
_STAGED = 100  # rows of one statement: the event loop waits for Python's lock no longer than that
_APPLICATION = 0x4D555354  # "MUST": tells our file from another program's
_FORM = "write sqlite:///relative.db or sqlite:////absolute/path.db"

# Instants are RFC 3339 text in UTC, always with microseconds, so that they sort as they are.
_TABLES = f"""
CREATE TABLE member (
    namespace TEXT NOT NULL,
    "group" TEXT NOT NULL,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    owner TEXT NOT NULL,
    metadata TEXT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    interval_s REAL NOT NULL,
    PRIMARY KEY (namespace, "group", name)
) WITHOUT ROWID;
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    version INTEGER NOT NULL,
    at TEXT NOT NULL,
    "group" TEXT NOT NULL,
    name TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX history_member ON history (namespace, "group", name, at);
CREATE INDEX history_at ON history (at);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
"""
_COLUMNS = (
    '"group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s'
)
# What most of a fleet share comes as one text, which is read once for all who have the same.
_LOAD = """
SELECT name, since, first_seen,
    json_array("group", zone, owner, metadata, facts, state, reason, interval_s)
FROM member WHERE namespace = ? AND ("group", name) > (?, ?) ORDER BY "group", name LIMIT ?
"""
# Members change in no order of their names. Sorted, a page of the tables is written once for all of
# them that are on it, which halves what a large batch costs; and it is SQLite that sorts, outside
# of Python's lock, so that the event loop goes on meanwhile.
_NEWS = """
CREATE TEMP TABLE new_member (
    "group", name, zone, owner, metadata, facts, state, reason, since, first_seen, interval_s);
CREATE TEMP TABLE new_history (version, at, "group", name, old, new, reason);
"""
_SAVE = f"""
INSERT INTO member (namespace, {_COLUMNS}) SELECT ?, * FROM new_member WHERE true
ORDER BY "group", name
ON CONFLICT DO UPDATE SET
    zone = excluded.zone, owner = excluded.owner, metadata = excluded.metadata,
    state = excluded.state, reason = excluded.reason, since = excluded.since,
    interval_s = excluded.interval_s
"""
# A call that was given up may have been done all the same, and is then made again.
_APPEND = """
INSERT INTO history (namespace, version, at, "group", name, old, new, reason)
SELECT ?1, * FROM new_history AS new WHERE NOT EXISTS (
    SELECT 1 FROM history
    WHERE (namespace, "group", name, at) = (?1, new."group", new.name, new.at)
    AND (version, old, new, reason) = (new.version, new.old, new.new, new.reason))
ORDER BY "group", name, new.rowid
"""
_HISTORY = """
SELECT version, at, "group", name, old, new, reason FROM history
WHERE (namespace, "group", name) = (?, ?, ?) ORDER BY at DESC, id DESC LIMIT ?
"""
_FORGET = 'DELETE FROM member WHERE (namespace, "group", name) = (?, ?, ?)'
_PRUNE = """
DELETE FROM history WHERE id IN (
    SELECT id FROM history WHERE namespace = ? AND at < ? LIMIT ?)
"""

T = TypeVar("T")


def open_url(url: str, *, namespace: str, timeout: float) -> "SqliteRegistry":
    """The registry of a ``sqlite:`` URL. Raises ConfigError for a bad one."""
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found:
        raise ConfigError(f"registry URL {url!r} is not well formed: {_FORM}")
    if path in ("", "/", ":memory:") or path.endswith("/") or "?" in path or "#" in path:
        raise ConfigError(f"registry URL {url!r} names no file: {_FORM}")
    return SqliteRegistry(url, Path(path), namespace, timeout)


class SqliteRegistry:
    """See :class:`musterd_coordinator.registry.Registry`.

    One call at a time, in a worker thread. A call that is given up (deadline, cancellation) while
    the disk hangs goes on in its thread, and may or may not take effect; the calls after it wait
    for it, within their own deadlines.
    """

    def __init__(self, url: str, path: Path, namespace: str, timeout: float) -> None:
        self.url = url
        self._path = path
        self._namespace = namespace
        self._timeout = timeout
        self._limiter: anyio.CapacityLimiter | None = None
        self._busy = threading.Lock()
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file, make or check its tables, and keep other coordinators out."""
        await self._call(self._open)

    async def load(self) -> AsyncIterator[Portion]:
        """Every member that was not forgotten, in portions, by group and name."""
        last = "", ""
        while portion := await self._call(partial(self._load_after, *last), LOAD_BATCH):
            yield portion
            last = portion.samples[portion.kinds[-1]].member.group, portion.names[-1]

    async def changed(self) -> Sequence[Entry | tuple[str, str]]:
        """Nothing: nobody else can write to the file."""
        return ()

    async def record(self, members: Sequence[Row], history: Sequence[Row]) -> None:
        """Save members and their states, and append to the history, in one transaction."""

        def save() -> None:
            self._write("new_member", members, _SAVE)
            self._write("new_history", history, _APPEND)

        await self._call(save, len(members) + len(history))

    async def change_facts(self, group: str, member: str, facts: Facts) -> None:
        """Replace a member's facts, durably."""
        found = await self._execute(
            'UPDATE member SET facts = ? WHERE (namespace, "group", name) = (?, ?, ?)',
            (as_json(facts), self._namespace, group, member),
        )
        if not found:
            raise RegistryError(f"the registry knows no member {group}/{member}")

    async def forget(self, members: Sequence[tuple[str, str]]) -> None:
        """Drop members; their history stays."""
        rows = [(self._namespace, *each) for each in members]
        await self._call(lambda: self._db.executemany(_FORGET, rows), len(rows))

    async def history(self, group: str, member: str, limit: int) -> Sequence[Transition]:
        """The newest ``limit`` state changes of a member, newest first."""
        row = self._namespace, group, member, limit
        return await self._call(
            lambda: [transition_of(each) for each in self._db.execute(_HISTORY, row)]
        )

    async def prune(self, before: datetime) -> int:
        """Drop history older than ``before``; how many rows went."""
        total, batch = 0, PRUNE_BATCH
        while batch == PRUNE_BATCH:
            row = self._namespace, _text(before), PRUNE_BATCH
            batch = await self._execute(_PRUNE, row)
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

    async def _execute(self, sql: str, row: Row) -> int:
        """Run one statement in a transaction; how many rows it hit."""
        return await self._call(lambda: self._db.execute(sql, row).rowcount)

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
        except (sqlite3.Error, OSError) as error:
            raise RegistryError(f"registry {self._path}: {error}") from None

    def _in_transaction(self, work: Callable[[], T], limit: float) -> T:
        # A call that was given up may still hold this; by then nobody waits for ours either.
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
            database = sqlite3.connect(self._path, timeout=0, check_same_thread=False)
            try:
                _prepare(database)
            except BaseException:
                database.close()
                raise
        except sqlite3.Error as error:
            raise RegistryError(f"registry {self._path}: {_reason(error)}") from None
        self._database = database

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _load_after(self, group: str, name: str) -> Portion:
        row = self._namespace, group, name, LOAD_BATCH
        return portion_in(self._db.execute(_LOAD, row).fetchall())

    def _write(self, table: str, rows: Sequence[Row], sql: str) -> None:
        """Put ``rows`` into a temporary table, and by ``sql`` from there where they belong."""
        for at in range(0, len(rows), _STAGED):
            part = rows[at : at + _STAGED]
            places = f"({', '.join('?' * len(part[0]))})"
            values = list(map(_text, chain.from_iterable(part)))
            self._db.execute(
                f"INSERT INTO {table} VALUES {', '.join([places] * len(part))}", values
            )
        if rows:
            self._db.execute(sql, (self._namespace,))
            self._db.execute(f"DELETE FROM {table}")


def _prepare(database: sqlite3.Connection) -> None:
    """Lock the file for this process, and make the tables in a new one."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    application, version, tables = (
        database.execute(query).fetchone()[0]
        for query in (
            *("PRAGMA application_id", "PRAGMA user_version"),
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if tables and application != _APPLICATION:
        raise sqlite3.DatabaseError("it is another program's database")
    if version > VERSION:
        raise sqlite3.DatabaseError(
            f"its tables are of version {version}, made by a newer musterd; this one knows"
            f" {VERSION}: upgrade this musterd"
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(f"BEGIN EXCLUSIVE; {'' if tables else _TABLES} COMMIT; {_NEWS}")


def _reason(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return "in use: another coordinator runs on it; give each a registry of its own"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"this user cannot write it and its folder ({error})"
    if code == sqlite3.SQLITE_NOTADB:
        return "not a SQLite database; name another file"
    return str(error)


def _text(value: object) -> object:
    return _instant_text(value) if isinstance(value, datetime) else value


@lru_cache(1024)  # a batch of a hundred thousand has a few
def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
