"""The module tells systemd of this process by the sd_notify protocol, sd_notify(3).

systemd passes sockets to it as sd_listen_fds(3) says: those that it listens on for us, and those that
it kept from one run to the next.
"""

import os
import socket
import time
from array import array
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import NamedTuple, Self

_FIRST_PASSED = 3
"""The number of the first file that systemd passes."""


class PassedSocket(NamedTuple):
    """A ``PassedSocket`` is one that systemd passed, and the name that it has there."""

    name: str
    socket: socket.socket


def passed_sockets(environ: MutableMapping[str, str]) -> list[PassedSocket]:
    """Return the sockets that systemd passed to this process; the environment loses word of them.

    What was passed and is no socket is closed.
    """
    meant_for = environ.pop("LISTEN_PID", "")
    count, names = environ.pop("LISTEN_FDS", "0"), environ.pop("LISTEN_FDNAMES", "")
    if meant_for != str(os.getpid()) or not count.isdigit():
        return []
    numbers = range(_FIRST_PASSED, _FIRST_PASSED + int(count))
    called = [*names.split(":"), *[""] * len(numbers)]
    return [
        PassedSocket(name, passed)
        for name, number in zip(called, numbers, strict=False)
        if (passed := _socket_of(number)) is not None
    ]


def _socket_of(number: int) -> socket.socket | None:
    os.set_inheritable(number, False)
    try:
        passed = socket.socket(fileno=number)
    except OSError:
        os.close(number)
        return None
    passed.setblocking(False)
    return passed


class Systemd:
    """A ``Systemd`` is the service manager that started us, if one did; else it drops every word.

    ``watchdog`` is the seconds within which it wants to hear ``WATCHDOG=1``, or None.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self.watchdog = watchdog
        self._is_ready = self._ready_is_due = False
        # A leading @ stands for the NUL byte of an address in the abstract namespace.
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket:
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Make one as systemd left word in the environment of the process that it started."""
        meant_for = environ.get("WATCHDOG_PID", str(os.getpid()))
        microseconds = environ.get("WATCHDOG_USEC", "")
        wanted = microseconds.isdigit() and meant_for == str(os.getpid())
        watchdog = int(microseconds) / 1e6 if wanted else 0.0
        return cls(environ.get("NOTIFY_SOCKET"), watchdog or None)

    @property
    def is_there(self) -> bool:
        """Say whether systemd started us."""
        return self._socket is not None

    def notify(self, **words: str) -> None:
        """Say ``READY="1"``, ``STATUS="…"`` and the like; never block and never fail.

        Words that it does not take because its queue is full are lost, except ``READY``, for which
        it waits: that is said again with the next words.
        """
        self._is_ready |= "READY" in words
        if self._ready_is_due and "RELOADING" not in words:
            words = {"READY": "1", **words}
        if self._socket and self._address:
            lines = (f"{word}={' '.join(text.splitlines())}" for word, text in words.items())
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
                self._ready_is_due &= "READY" not in words
            except OSError:  # not listening, or its queue is full
                self._ready_is_due |= "READY" in words

    def keep(self, name: str, number: int) -> bool:
        """Have systemd keep the open file ``number`` for the next run; say whether it was told.

        Units say by ``FileDescriptorStoreMax=`` how many it keeps.
        """
        if not self._socket or not self._address:
            return False
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [number]))]
        words = f"FDSTORE=1\nFDNAME={name}".encode()
        try:
            self._socket.sendmsg([words], passed, 0, self._address)
        except OSError:
            return False
        return True

    def release(self, name: str) -> None:
        """Have systemd close what it keeps by this name."""
        self.notify(FDSTOREREMOVE="1", FDNAME=name)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that the configuration is read again, and when that is over.

        Before the first ``READY="1"`` nothing is said: nobody waits for a reload then, and the word
        that ends one would say that all is there.
        """
        was_ready = self._is_ready
        if was_ready:
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.notify(RELOADING="1", MONOTONIC_USEC=str(now))
        try:
            yield
        finally:
            if was_ready:
                self.notify(READY="1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
