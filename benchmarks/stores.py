"""The module starts real stores of a benchmark's own, and stops them with it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import anyio

from benchmarks.bulk import TIMEOUT
from benchmarks.fleet import Fill, Fleet, KeyedFill, PostgresFill
from benchmarks.maria_fill import MariaFill
from musterd.stores.mysql.schema import init_db as init_mariadb
from musterd.stores.postgres.schema import init_db
from musterd.testing.daemons import EmbeddedStore
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd.testing.servers import Database, Memcached, Postgres
from musterd.urls import host_and_port

ADVISED = {"wal_writer_flush_after": 0}
"""What docs/operations.md advises for a PostgreSQL that takes beats."""


@dataclass(frozen=True, slots=True)
class Server:
    """A `Server` is a store that runs.

    ``url`` is its store URL, ``setting`` says in words how it was started.
    """

    url: str
    pid: int
    setting: str

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port of a store with keys and values."""
        return host_and_port(self.url.partition("://")[2])

    @property
    def url_to_watch(self) -> str:
        """Return its URL for a coordinator, which would start an embedded store of its own."""
        return self.url.replace("embedded://", "memcached://")

    def fill(self, fleet: Fleet) -> Fill:
        """Return the way to write ``fleet`` into it."""
        if self.url.startswith("postgresql"):
            return PostgresFill(self.url, fleet)
        if self.url.startswith("mysql"):
            return MariaFill(self.url, fleet)
        return KeyedFill("{}:{}".format(*self.address), fleet)


@contextmanager
def memcached(members: int, threads: int) -> Iterator[Server]:
    """Run a memcached with room for that many members and more: nothing is ever evicted."""
    options = ["-m", str(64 + members // 800), "-t", str(threads)]
    with Memcached(*options) as server:
        yield Server(server.url, server.pid, " ".join(["memcached", *options]))


@contextmanager
def postgresql(members: int, threads: int) -> Iterator[Server]:
    """Run a PostgreSQL with musterd's tables, and room for them in its shared buffers."""
    del threads  # it has a process for each connection
    with postgres_for(members) as postgres, musterd_tables(postgres) as database:
        yield Server(database.dsn, postgres.pid, setting_of(postgres))


def postgres_for(members: int, **more: object) -> Postgres:
    """Return a PostgreSQL, to be started, with room for so many members in its shared buffers."""
    settings = {
        "shared_buffers": f"{128 + members // 1500}MB",
        "max_wal_size": "4GB",
        "max_connections": 400,
        **ADVISED,
        **more,
    }
    return Postgres(**settings)


def setting_of(server: Postgres | MariaDb) -> str:
    """Return in words how it is set."""
    name = "PostgreSQL" if isinstance(server, Postgres) else "MariaDB"
    return ", ".join([name, *(f"{key} {value}" for key, value in server.settings.items())])


@contextmanager
def mariadb(members: int, threads: int) -> Iterator[Server]:
    """Run a MariaDB with musterd's tables, and room for them in its buffer pool."""
    del threads  # it has a thread for each connection
    with mariadb_for(members) as server, maria_tables(server) as database:
        yield Server(database.url, server.pid, setting_of(server))


def mariadb_for(members: int, kind: type[MariaDb] = MariaDb, **more: object) -> MariaDb:
    """Return a MariaDB, or a ``kind`` of it, to be started, with room for so many members in its buffer pool.

    It writes its log at each commit, as it does where nobody says otherwise.
    """
    settings = {
        "innodb_buffer_pool_size": f"{256 + members // 1000}M",
        "innodb_log_file_size": "512M",
        "max_connections": 400,
        **more,
    }
    return kind(**settings)


@contextmanager
def maria_tables(server: MariaDb) -> Iterator[MariaDatabase]:
    """Yield a database of its own with musterd's tables."""
    with server.database() as database:
        anyio.run(init_mariadb, database.url, TIMEOUT)
        yield database


@contextmanager
def musterd_tables(postgres: Postgres) -> Iterator[Database]:
    """Yield a database of its own with musterd's tables."""
    with postgres.database() as database:
        make_tables(database.dsn)
        yield database


def make_tables(dsn: str) -> None:
    """Make musterd's tables in a database."""
    anyio.run(init_db, dsn, TIMEOUT)


@contextmanager
def embedded(members: int, threads: int) -> Iterator[Server]:
    """Run the coordinator's embedded store alone in a process."""
    del members, threads
    with EmbeddedStore() as server:
        yield Server(f"embedded://{server.address}", server.pid, "embedded, its own process")


STORES: Mapping[str, Callable[[int, int], AbstractContextManager[Server]]] = {
    "memcached": memcached,
    "postgresql": postgresql,
    "mariadb": mariadb,
    "embedded": embedded,
}
