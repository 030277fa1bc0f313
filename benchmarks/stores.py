"""Real stores of a benchmark's own, started and stopped with it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks.fleet import Fill, Fleet, KeyedFill, PostgresFill
from musterd.testing.agent_process import COMMAND
from musterd.testing.servers import HOST, Database, Memcached, Postgres, held_port
from musterd.urls import host_and_port

ADVISED = {"wal_writer_flush_after": 0}
"""What docs/operations.md advises for a PostgreSQL that takes beats."""


@dataclass(frozen=True, slots=True)
class Server:
    """A store that runs: ``url`` is its store URL, ``setting`` says in words how it was started."""

    url: str
    pid: int
    setting: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a store with keys and values."""
        return host_and_port(self.url.partition("://")[2])

    @property
    def url_to_watch(self) -> str:
        """Its URL for a coordinator, which would start an embedded store of its own."""
        return self.url.replace("embedded://", "memcached://")

    def fill(self, fleet: Fleet) -> Fill:
        """The way to write ``fleet`` into it."""
        if self.url.startswith("postgresql"):
            return PostgresFill(self.url, fleet)
        return KeyedFill("{}:{}".format(*self.address), fleet)


@contextmanager
def memcached(members: int, threads: int) -> Iterator[Server]:
    """A memcached with room for that many members and more: nothing is ever evicted."""
    options = ["-m", str(64 + members // 800), "-t", str(threads)]
    with Memcached(*options) as server:
        yield Server(server.url, server.pid, " ".join(["memcached", *options]))


@contextmanager
def postgresql(members: int, threads: int) -> Iterator[Server]:
    """A PostgreSQL with musterd's tables, and room for them in its shared buffers."""
    del threads  # it has a process for each connection
    with postgres_for(members) as postgres, musterd_tables(postgres) as database:
        yield Server(database.dsn, postgres.pid, setting_of(postgres))


def postgres_for(members: int) -> Postgres:
    """A PostgreSQL, to be started, with room for so many members in its shared buffers."""
    settings = {
        "shared_buffers": f"{128 + members // 1500}MB",
        "max_wal_size": "4GB",
        "max_connections": 400,
    }
    return Postgres(**settings, **ADVISED)


def setting_of(postgres: Postgres) -> str:
    """How it is set, in words."""
    return ", ".join(
        ["PostgreSQL", *(f"{name} {value}" for name, value in postgres.settings.items())]
    )


@contextmanager
def musterd_tables(postgres: Postgres) -> Iterator[Database]:
    """A database of its own with musterd's tables."""
    with postgres.database() as database:
        subprocess.run(
            [*COMMAND, "init-db"],
            env={"MUSTERD_STORE": database.dsn},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        yield database


@contextmanager
def embedded(members: int, threads: int) -> Iterator[Server]:
    """The coordinator's embedded store alone in a process."""
    del members, threads
    with held_port() as port:
        command = [sys.executable, "-m", "benchmarks.embedded", HOST, str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield Server(f"embedded://{HOST}:{port}", process.pid, "embedded, its own process")
            finally:
                process.terminate()


STORES: Mapping[str, Callable[[int, int], AbstractContextManager[Server]]] = {
    "memcached": memcached,
    "postgresql": postgresql,
    "embedded": embedded,
}
