"""The module tells systemd of this process by the sd_notify protocol, sd_notify(3)."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self


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
