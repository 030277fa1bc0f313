"""The module has real memcached, PostgreSQL and PgBouncer, for tests, benchmarks and the demo.

All calls block: a start takes about 5 ms (memcached, PgBouncer) or 0.1 s (PostgreSQL).
"""

import functools
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from musterd.testing import keeper
from musterd.testing.busy import allowed_now, status_of
from musterd.testing.processes import (
    HOST,
    START_TIMEOUT,
    STOP_TIMEOUT,
    Server,
    ServerError,
    account_of,
    environment,
    find_program,
    held_port,
    owned_directory,
    spawn,
)

__all__ = [
    "HOST",
    "Database",
    "Memcached",
    "PgBouncer",
    "Postgres",
    "Server",
    "ServerError",
    "held_port",
    "memcached_url",
]

SUPERUSER = "postgres"


class Memcached(Server):
    """A `Memcached` is one memcached: `Memcached("-m", "8", "-t", "1")`."""

    stop_signal = signal.SIGKILL  # it has nothing to save, and SIGTERM takes it a second
    users = ("memcache", "memcached", "nobody")
    scheme = "memcached"
    login = ""  # what stands before its address in a URL

    def __init__(self, *args: str) -> None:
        super().__init__()
        self.args = args

    @property
    def url(self) -> str:
        """Return the store URL of this server alone."""
        return memcached_url(self)

    def _command(self) -> list[str]:
        program = find_program("memcached", "memcached")
        return [str(program), "-l", self.host, "-p", str(self.port), "-U", "0", *self.args]

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), 1.0) as client:
            client.sendall(b"version\r\n")
            return client.recv(64).startswith(b"VERSION")
        return False


class Postgres(Server):
    """A `Postgres` is one PostgreSQL with a cluster of its own: `Postgres(max_connections=20)`.

    `settings` may be changed while it is stopped. It takes connections of the superuser `postgres`
    and of whatever roles a test creates, all by password.
    """

    stop_signal = signal.SIGINT  # "fast": ends the sessions, then writes a checkpoint
    users = ("postgres", "nobody")
    cheap: ClassVar[Mapping[str, object]] = {"fsync": "off", "full_page_writes": "off"}

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.settings = settings
        self.data = self.directory / "data"
        subprocess.run(["cp", "-a", _new_cluster(), self.data], check=True)

    @property
    def password(self) -> str:
        """Return the superuser's password, the same for all servers of this test run."""
        return _superuser_password()

    @property
    def dsn(self) -> str:
        """Return the superuser's way into the database `postgres`."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the URL of a database, for the superuser or for a role that the test made."""
        return _dsn(self.address, database, user, password or self.password)

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser, with no loop and no driver; return the unaligned rows."""
        command = [_postgres_program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(
            [*command, self.dsn_of(database)],
            check=False,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=allowed_now(START_TIMEOUT),
        )
        if done.returncode:
            raise ServerError(f"PostgreSQL refused {sql!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    @contextmanager
    def database(self, template: str = "template1") -> Iterator["Database"]:
        """Make a database, and drop it again together with its sessions."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}{self._strategy}")
        try:
            yield Database(self, name)
        finally:
            if self.is_running:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @functools.cached_property
    def _strategy(self) -> str:
        """Return how to copy a database: as files where nothing waits for the disk, since PostgreSQL 15."""
        can = "SELECT current_setting('server_version_num')::int >= 150000"
        by_files = self.settings.get("fsync") == "off" and self.execute(can) == "t"
        return " STRATEGY file_copy" if by_files else ""

    def stop_at_once(self) -> None:
        """Stop as `pg_ctl -m immediate` does: without a checkpoint, so that a start recovers."""
        keeper.send(self.pid, signal.SIGQUIT)
        self._reap(STOP_TIMEOUT)
        self.kill()

    def _command(self) -> list[str]:
        fixed = {"port": self.port, "listen_addresses": self.host, "unix_socket_directories": ""}
        settings = {"shared_buffers": "32MB"} | self.settings | fixed
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [_postgres_program("postgres"), "-D", str(self.data), *options]

    def _is_ready(self) -> bool:
        with suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().split("\n")
            return lines[0] == str(self.pid) and lines[7:8] == ["ready   "]
        return False


class Database:
    """A `Database` is one database of a server: `name`, `dsn`, and `execute` as its superuser."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def dsn(self) -> str:
        return self.server.dsn_of(self.name)

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser; return the unaligned rows."""
        return self.server.execute(sql, self.name)


class PgBouncer(Server):
    """A `PgBouncer` is in transaction mode before a PostgreSQL: `PgBouncer(server, pool_size=2)`.

    It passes every database of the server on, for the superuser and the roles in `passwords`.
    """

    stop_signal = signal.SIGQUIT  # SIGTERM waits for the clients since 1.23
    users = ("postgres", "nobody")

    def __init__(self, postgres: Postgres, **settings: object) -> None:
        super().__init__()
        self.postgres = postgres
        self.settings = settings
        self.passwords = {SUPERUSER: postgres.password}

    def dsn_of(self, database: str, user: str = SUPERUSER) -> str:
        """Return the URL of a database, by way of this PgBouncer."""
        return _dsn(self.address, database, user, self.passwords[user])

    def _command(self) -> list[str]:
        settings = {
            "listen_addr": self.host,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "md5",
            "auth_file": self.directory / "users",
            "pool_mode": "transaction",
        } | self.settings
        backend = f"* = host={self.postgres.host} port={self.postgres.port}"
        options = [f"{key} = {value}" for key, value in settings.items()]
        users = [f'"{user}" "{password}"' for user, password in self.passwords.items()]
        self._write("users", users)
        self._write("ini", ["[databases]", backend, "[pgbouncer]", *options])
        return [str(find_program("pgbouncer", "pgbouncer")), str(self.directory / "ini")]

    def _write(self, name: str, lines: list[str]) -> None:
        path = self.directory / name
        path.write_text("\n".join(lines) + "\n")
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _is_ready(self) -> bool:
        return self.accepts()


def memcached_url(*servers: Memcached, replicas: int | None = None) -> str:
    """Return the store URL of some memcached servers, which have the same locks."""
    query = f"?replicas={replicas}" if replicas else ""
    addresses = ",".join(server.address for server in servers)
    return f"{servers[0].scheme}://{servers[0].login}{addresses}{query}"


def _dsn(address: str, database: str, user: str, password: str) -> str:
    return f"postgresql://{user}:{password}@{address}/{database}"


@functools.cache
def _superuser_password() -> str:
    return secrets.token_hex(12)


def _postgres_program(name: str) -> str:
    return str(find_program("initdb", "postgresql").with_name(name))


@functools.cache
def _new_cluster() -> Path:
    """Make an empty cluster once a run: copying it is twenty times faster than initdb."""
    account = account_of(Postgres.users)
    directory = owned_directory(account)
    secret = directory / "password"
    secret.write_text(_superuser_password())
    secret.chmod(0o644)
    command = [
        *(_postgres_program("initdb"), "-D", str(directory / "data"), "--no-sync"),
        *("--locale=C", "--encoding=UTF8", "-U", SUPERUSER, "--auth=password"),
        f"--pwfile={secret}",
    ]
    with (directory / "log").open("wb") as log:
        failed = status_of(spawn(command, directory, account, log.fileno()), START_TIMEOUT)
    if failed:
        raise ServerError(f"initdb failed:\n{(directory / 'log').read_text()}")
    return directory / "data"
