"""The module stands in for systemd where that is about sockets: it holds them for one daemon.

It listens for the daemon, and keeps what the daemon gives it by sd_notify's FDSTORE from one run to the
next. A container for tests has no systemd; the words are those of sd_notify(3) and sd_listen_fds(3).
"""

import array
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from musterd.testing.busy import Patience, status_of

_MOST = 253  # files that one message may carry: SCM_MAX_FD
_STARTER = """\
import fcntl, os, sys
passed, *command = sys.argv[1:]
away = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 1000) for number in passed.split()]
os.closerange(3, 1000)
for number, one in enumerate(away, 3):
    os.dup2(one, number)
    os.close(one)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(away)))
os.execv(command[0], command)
"""
"""It gives files their numbers, and knows its own, which is the daemon's: whom they are passed to."""


class ServiceManager:
    """A `ServiceManager` starts ``command``, and starts it again with all that it keeps for it.

    ``listening`` are sockets that listen, by name. It is to be closed at the end.
    """

    def __init__(
        self,
        command: Sequence[str],
        listening: Mapping[str, socket.socket],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [sys.executable, "-c", _STARTER]
        self._program = list(command)
        self._environ = dict(environ or {})
        self._directory = tempfile.TemporaryDirectory(prefix="musterd-manager-")
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(self._address)
        self.listening = dict(listening)
        self.kept: dict[str, int] = {}
        self.words: dict[str, str] = {}
        self._heard = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with all else
        self._ends, self._end = os.pipe()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    @property
    def _address(self) -> str:
        return str(Path(self._directory.name) / "notify")

    @property
    def pid(self) -> int:
        """Return the number of the daemon's process. It runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """Return all that the daemon printed."""
        self._output.seek(0)
        return self._output.read()

    def start(self) -> Self:
        """Start the daemon, with all that listens and is kept; return at once."""
        with self._heard:
            self.words.clear()
            passed = {
                **{name: one.fileno() for name, one in self.listening.items()},
                **self.kept,
            }
            numbers = list(passed.values())
            ours = {
                key: value for key, value in os.environ.items() if not key.startswith("MUSTERD_")
            }
            theirs = {"NOTIFY_SOCKET": self._address, "LISTEN_FDNAMES": ":".join(passed)}
            self._process = subprocess.Popen(
                [*self._command, " ".join(map(str, numbers)), *self._program],
                env=ours | theirs | self._environ,
                stdout=self._output,
                stderr=self._output,
                pass_fds=numbers,
            )
        return self

    def wait_for(self, word: str, within: float = 30.0) -> None:
        """Wait until the daemon said ``word=…``; raise TimeoutError if it does not in time."""
        patience = Patience(within)
        with self._heard:
            while word not in self.words:
                if patience.is_over:
                    raise TimeoutError(f"{word} was not said, but {self.words}: {self.output}")
                self._heard.wait(0.05)

    def wait_kept(self, enough: Callable[[int], bool], within: float = 30.0) -> None:
        """Wait until the number of sockets that are kept is ``enough``."""
        patience = Patience(within)
        with self._heard:
            while not enough(len(self.kept)):
                if patience.is_over:
                    raise TimeoutError(f"{len(self.kept)} are kept: {self.output}")
                self._heard.wait(0.05)

    def stop(self, number: int) -> None:
        """End the daemon by a signal, and keep what it gave."""
        assert self._process is not None
        self._process.send_signal(number)
        self.wait_exit()

    def wait_exit(self, within: float = 30.0) -> None:
        """Wait until the daemon ended."""
        assert self._process is not None
        status_of(self._process, within)
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        os.write(self._end, b"x")
        self._thread.join()
        for number in [*self.kept.values(), self._ends, self._end]:
            with suppress(OSError):
                os.close(number)
        self._notified.close()
        self._output.close()
        self._directory.cleanup()

    def _hear(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._notified, selectors.EVENT_READ)
            selector.register(self._ends, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._ends in ready:
                    return
                self._take(*_received(self._notified))

    def _take(self, words: Mapping[str, str], numbers: Sequence[int]) -> None:
        with self._heard:
            name = words.get("FDNAME", "stored")
            if "FDSTORE" in words and numbers:
                self.kept[name] = numbers[0]
            elif "FDSTOREREMOVE" in words and name in self.kept:
                os.close(self.kept.pop(name))
            self.words.update(words)
            self._heard.notify_all()


def _received(notified: socket.socket) -> tuple[dict[str, str], list[int]]:
    data, ancillary, _, _ = notified.recvmsg(4096, socket.CMSG_SPACE(_MOST * 4))
    numbers = array.array("i")
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    words = dict(line.partition("=")[::2] for line in data.decode().splitlines())
    return words, numbers.tolist()
