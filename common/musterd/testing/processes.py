"""The module runs one real server as a process of ours: on loopback, on a port of its own.

A server keeps its port while it is stopped, runs as an unprivileged user when we run as root, and
is gone when we are, however we end. *We* are a test run, a benchmark or the demo.
"""

import atexit
import functools
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

from musterd.testing import keeper
from musterd.testing.busy import Patience, status_of

HOST = "127.0.0.1"
START_TIMEOUT = 30.0  # seconds, and more where the machine is busy
STOP_TIMEOUT = 10.0


class ServerError(Exception):
    """A server is missing, or did not do what it was told; the message says what to do."""


def find_program(name: str, package: str) -> Path:
    """Find a server's program, or say which system package brings it."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", *map(str, newest_first)]
    if found := shutil.which(name, path=os.pathsep.join(places)):
        return Path(found).resolve()
    raise ServerError(f"{name} is not installed: run 'make setup' (or apt-get install {package})")


def _version(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


class HeldPort:
    """A `HeldPort` is a loopback port that nothing else gets until `release`.

    That is so whether or not a server listens. A bound socket that never listens keeps the kernel
    from handing the port to anything else, outgoing connections included, and a server that sets
    SO_REUSEADDR (all of ours do) can still take it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Let others have the port."""
        self._socket.close()


@contextmanager
def held_port() -> Iterator[int]:
    """Hold a free loopback port for a server that the caller starts itself."""
    port = HeldPort()
    try:
        yield port.number
    finally:
        port.release()


class Server(ABC):
    """A `Server` is a real server on a loopback port.

    Its verbs are `start`, `stop`, `kill`, `pause`, `resume` and `close`.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    users: ClassVar[Sequence[str]]
    host = HOST

    def __init__(self) -> None:
        self._held = HeldPort()
        self._process: subprocess.Popen[bytes] | None = None
        self.account = account_of(self.users)
        self.directory = owned_directory(self.account)

    @property
    def port(self) -> int:
        return self._held.number

    @property
    def address(self) -> str:
        """Return its address as `host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the main process; raise ServerError when the server does not run."""
        if self._process is None:
            raise ServerError(f"{type(self).__name__} on {self.address} does not run: start() it")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Say whether the main process is there, be it paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Return what the server printed since it was made."""
        return (self.directory / "log").read_text(errors="replace")

    @property
    def client_tls(self) -> ssl.SSLContext | None:
        """Return what its clients speak TLS with, if it does."""
        return None

    def connect(
        self, timeout: float = 5.0, *, source: str = "", port: int | None = None
    ) -> socket.socket:
        """Return a connection as its clients have one, to this ``port`` of its host if it has more.

        ``source`` is the address to connect from. Raises OSError.
        """
        where = self.host, port or self.port
        plain = socket.create_connection(where, timeout, (source, 0) if source else None)
        if self.client_tls is None:
            return plain
        try:
            return self.client_tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def accepts(self) -> bool:
        """Say whether anything accepts connections on its port."""
        with suppress(OSError), socket.create_connection((self.host, self.port), 1.0):
            return True
        return False

    def start(self) -> Self:
        """Start on the port it always had and wait until it answers."""
        if self.is_running:
            raise ServerError(f"{type(self).__name__} on {self.address} runs already")
        with (self.directory / "log").open("ab") as log:
            self._process = spawn(self._command(), self.directory, self.account, log.fileno())
        _keep(f"watch {self.pid}")
        _wait_until(lambda: not self.is_running or self._is_ready(), self._failure)
        if not self.is_running:
            raise self._failure()
        return self

    def stop(self) -> None:
        """Stop in the orderly way; a paused server is resumed for it."""
        if self.is_running:
            self.resume()
            keeper.send(self.pid, self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._reap(STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """Kill all its processes at once, as a crash would; wait until they are gone."""
        if self._process is None:
            return
        if self.is_running:
            keeper.kill_tree(self.pid)
        self._reap(STOP_TIMEOUT)
        self._process = None

    def restart(self) -> None:
        """Stop in the orderly way and start again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze all its processes; the kernel goes on accepting connections for them."""
        keeper.freeze(self.pid)  # first, so that it starts no more children
        for pid in keeper.tree(self.pid):
            keeper.freeze(pid)

    def resume(self) -> None:
        """Let it run again after `pause`."""
        for pid in keeper.tree(self.pid):
            keeper.send(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it for good: processes, files and the hold on its port."""
        self.stop()
        self._held.release()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def _reap(self, timeout: float) -> None:
        assert self._process is not None
        status_of(self._process, timeout)
        _keep(f"forget {self._process.pid}")

    def _failure(self) -> ServerError:
        last_lines = "\n".join(self.log.splitlines()[-10:])
        return ServerError(f"{type(self).__name__} on {self.address} failed:\n{last_lines}")


def account_of(users: Sequence[str]) -> pwd.struct_passwd | None:
    """Return the account that a server runs as: None is our own user, unless that is root."""
    if os.geteuid() != 0:
        return None
    for user in users:
        with suppress(KeyError):
            return pwd.getpwnam(user)
    raise ServerError(f"none of the users {', '.join(users)} exists: run 'make setup'")


def owned_directory(account: pwd.struct_passwd | None) -> Path:
    """Make a directory that is gone when we are."""
    # Where root's TMPDIR is, others may not be able to go.
    directory = Path(tempfile.mkdtemp(prefix="musterd-", dir="/tmp" if account else None))  # noqa: S108
    _keep(f"remove {directory}")
    if account:
        os.chown(directory, account.pw_uid, account.pw_gid)
    return directory


def spawn(
    command: Sequence[str], directory: Path, account: pwd.struct_passwd | None, output: int
) -> subprocess.Popen[bytes]:
    """Run a program as `account`, in `directory`, printing to the file `output`."""
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # At home PostgreSQL looks for certificates; and MariaDB, when it starts, removes what others of
        # its kind have in a place for temporary files that they share.
        env=environment() | dict.fromkeys(("HOME", "TMPDIR"), str(directory)),
        start_new_session=True,  # a Ctrl-C is for us: we then stop our servers
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )


def environment() -> dict[str, str]:
    """Return our own environment without the settings that PostgreSQL's programs obey."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return ours | {"LC_ALL": "C"}


def _wait_until(condition: Callable[[], bool], failure: Callable[[], Exception]) -> None:
    patience = Patience(START_TIMEOUT)
    while not condition():
        if patience.is_over:
            raise failure()
        time.sleep(0.005)


def _keep(order: str) -> None:
    orders = _keeper().stdin
    assert orders is not None
    orders.write(order + "\n")
    orders.flush()


@functools.cache
def _keeper() -> subprocess.Popen[str]:
    command = [sys.executable, "-I", keeper.__file__]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, text=True, start_new_session=True, cwd="/"
    )
    atexit.register(process.communicate)  # ends its input and waits for it
    return process
