"""The module has a real MariaDB for tests and benchmarks: a start takes about a second.

Where it is told so, another make of the same server takes its place: see :class:`Make`.
"""

import functools
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from musterd.testing.busy import allowed_now, status_of
from musterd.testing.processes import (
    START_TIMEOUT,
    Server,
    ServerError,
    account_of,
    environment,
    find_program,
    owned_directory,
    spawn,
)

SUPERUSER = "musterd_dba"
_UNLIMITED = ("env", "--ignore-signal=XFSZ")
"""As PostgreSQL does itself: a file that may not grow is an error then, as a full disk is, and no end."""
_GREETING = b"\x0a"  # the version of the protocol, with which a server greets


SETTINGS: Mapping[str, object] = {
    "innodb-buffer-pool-size": "16M",
    "performance-schema": "off",
    "skip-name-resolve": "on",
}


@dataclass(frozen=True, eq=False)
class Make:
    """A `Make` is who made a server that speaks as MariaDB does, and how one is run.

    ``program`` finds its program, ``install`` returns what makes its files in a folder, ``settings`` are
    those that tests need of it beside those that they give, and ``names`` has those that it calls otherwise.
    """

    name: str
    program: Callable[[], Path]
    install: Callable[[Path], list[str]]
    settings: Mapping[str, object]
    names: Mapping[str, str] = field(default_factory=dict)


def _install(data: Path) -> list[str]:
    return [
        *(str(find_program("mariadb-install-db", "mariadb-server")), "--no-defaults"),
        *(f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"),
        *("--innodb-flush-method=nosync", "--innodb-log-file-size=4M"),
    ]


MARIADB = Make(
    "MariaDB",
    lambda: find_program("mariadbd", "mariadb-server"),
    _install,
    {**SETTINGS, "innodb-log-file-size": "4M"},
)


class MariaDb(Server):
    """A `MariaDb` is one server with files of its own: `MariaDb(max_connections=20)`.

    `settings` may be changed while it is stopped. It takes connections of the superuser and of
    whatever accounts a test creates, by password.
    """

    make: ClassVar[Make] = MARIADB
    """For a run of tests or a benchmark as a whole."""

    users = ("mysql", "nobody")
    client_options: tuple[str, ...] = ()
    cheap: ClassVar[Mapping[str, object]] = {
        "innodb-flush-method": "nosync",
        "innodb-flush-log-at-trx-commit": 0,
    }

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.settings = settings
        self.data = self.directory / "data"
        subprocess.run(["cp", "-a", _new_files(self.make), self.data], check=True)

    @property
    def password(self) -> str:
        """Return the superuser's password, the same for all servers of this test run."""
        return _superuser_password()

    def url_of(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the URL of a database, for the superuser or for an account that the test made."""
        return f"mysql://{user}:{password or self.password}@{self.address}/{database}"

    def execute(self, sql: str, database: str = "mysql") -> str:
        """Run SQL as the superuser, with no loop and no driver; return the rows, with tabs between."""
        done = subprocess.run(
            [
                *(str(find_program("mariadb", "mariadb-client")), "--no-defaults", "-NB"),
                *self.client_options,
                *(f"-u{SUPERUSER}", f"-p{self.password}", f"-h{self.host}", f"-P{self.port}"),
                *("--default-character-set=utf8mb4", database),
            ],
            check=False,
            capture_output=True,
            text=True,
            input=sql,
            env=environment(),
            timeout=allowed_now(START_TIMEOUT),
        )
        if done.returncode:
            raise ServerError(f"{self.make.name} refused {sql[:200]!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    @contextmanager
    def database(self, sql: str = "") -> Iterator["MariaDatabase"]:
        """Make a database, run ``sql`` in it, and drop it again."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}; USE {name};\n{sql}")
        try:
            yield MariaDatabase(self, name)
        finally:
            if self.is_running:
                self.execute(f"DROP DATABASE {name}")

    def _command(self) -> list[str]:
        fixed = {
            "datadir": self.data,
            "socket": self.directory / "socket",
            "pid-file": self.directory / "pid",
            "bind-address": self.host,
            "port": self.port,
            "init-file": self.data / "musterd.sql",
        }
        theirs = {key.replace("_", "-"): value for key, value in self.settings.items()}
        called = {self.make.names.get(key, key): value for key, value in theirs.items()}
        settings = {**self.make.settings, **called, **fixed}
        options = [f"--{key}={value}" for key, value in settings.items()]
        return [*_UNLIMITED, str(self.make.program()), "--no-defaults", *options]

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), 1.0) as client:
            client.settimeout(1.0)
            return client.recv(5)[4:] == _GREETING
        return False


class MariaDatabase:
    """A `MariaDatabase` is one database of a server: `name`, `url`, and `execute` as its superuser."""

    def __init__(self, server: MariaDb, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def url(self) -> str:
        return self.server.url_of(self.name)

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser; return the rows, with tabs between."""
        return self.server.execute(sql, self.name)


@functools.cache
def _superuser_password() -> str:
    return secrets.token_hex(12)


@functools.cache
def _new_files(make: Make) -> Path:
    """Make the files of an empty server once a run: copying them is many times faster."""
    account = account_of(MariaDb.users)
    directory = owned_directory(account)
    data = directory / "data"
    with (directory / "log").open("wb") as log:
        failed = status_of(
            spawn(make.install(data), directory, account, log.fileno()), 2 * START_TIMEOUT
        )
    if failed:
        raise ServerError(f"{make.name} made no files:\n{(directory / 'log').read_text()}")
    (data / "auto.cnf").unlink(
        missing_ok=True
    )  # by which MySQL would take a copy for the same server
    orders = data / "musterd.sql"
    orders.write_text(
        f"CREATE USER IF NOT EXISTS {SUPERUSER}@'%' IDENTIFIED BY '{_superuser_password()}';\n"
        f"GRANT ALL ON *.* TO {SUPERUSER}@'%' WITH GRANT OPTION;\n"
    )
    if account:
        shutil.chown(orders, account.pw_uid, account.pw_gid)
    return data
