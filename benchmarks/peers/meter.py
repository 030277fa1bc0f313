"""The module measures what heartbeats cost a server.

It reads the server's processes from /proc, and what PostgreSQL counts itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
from anyio.from_thread import BlockingPortal

from benchmarks.processes import cpu_seconds


@dataclass(frozen=True, slots=True)
class Spent:
    """A `Spent` is what so many heartbeats took: seconds by the clock, and the senders' CPU seconds."""

    beats: int
    seconds: float
    client: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A `Cost` is that of one heartbeat: CPU in microseconds, WAL in bytes."""

    server_us: float
    client_us: float
    wal: float
    beats_per_second: float


class Sender(Protocol):
    """A `Sender` sends ``count`` heartbeats, of its members in turn."""

    def __call__(self, count: int, /) -> Spent: ...


class Ledger(Protocol):
    """A `Ledger` is what a database says of itself."""

    def wal(self) -> int:
        """Return the bytes of its log written so far."""

    def checkpoint(self) -> None:
        """Write everything out now, and not while something is measured."""

    def statements(self, send: Sender, count: int) -> float:
        """Return the statements that the server carries out per heartbeat."""


class Books:
    """The `Books` say what one PostgreSQL server has done so far, by a connection that stays open.

    A connection of its own for each question would cost the server more than many beats.
    """

    def __init__(self, portal: BlockingPortal, connection: "asyncpg.Connection[Any]") -> None:
        self._portal = portal
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, portal: BlockingPortal, dsn: str) -> Iterator["Books"]:
        """Open the books of the server of ``dsn``, which is its superuser's."""
        books = cls(portal, portal.call(asyncpg.connect, dsn))
        try:
            yield books
        finally:
            portal.call(books._connection.close)

    def ask(self, sql: str) -> Any:
        """Return the one value that a query gives."""
        return self._portal.call(self._connection.fetchval, sql)

    def wal(self) -> int:
        """Return the bytes of WAL written so far."""
        return int(self.ask("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def checkpoint(self) -> None:
        """Write everything out now, and not while something is measured."""
        self.ask("CHECKPOINT")

    def prepare(self) -> None:
        """Have the server ready to count statements, which costs it nothing until it does."""
        self.ask("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self._track("none")

    def statements(self, send: Sender, count: int) -> float:
        """Return the statements that the server carries out per heartbeat.

        BEGIN and COMMIT are included.
        """
        self._track("all")
        send(count)  # sessions read their settings before their next statement
        self.ask("SELECT pg_stat_statements_reset()")
        spent = send(count)
        calls = self.ask("SELECT sum(calls) FROM pg_stat_statements WHERE query !~ 'pg_stat_'")
        self._track("none")
        return float(calls) / spent.beats

    def _track(self, what: str) -> None:
        self.ask(f"ALTER SYSTEM SET pg_stat_statements.track = '{what}'")
        self.ask("SELECT pg_reload_conf()")


def cost(pid: int, books: Ledger | None, send: Sender, count: int, warm: int) -> Cost:
    """Return the cost of each of ``count`` heartbeats to the server ``pid``.

    ``warm`` more go before, uncounted: with a PostgreSQL they come after a checkpoint, so that the
    page images that a checkpoint calls for are in no cost.
    """
    if books:
        books.checkpoint()
    send(warm)
    wal = books.wal() if books else 0
    cpu = cpu_seconds(pid)
    spent = send(count)
    cpu = cpu_seconds(pid) - cpu
    wal = books.wal() - wal if books else 0
    return Cost(
        server_us=cpu / spent.beats * 1e6,
        client_us=spent.client / spent.beats * 1e6,
        wal=wal / spent.beats,
        beats_per_second=spent.beats / spent.seconds,
    )
