"""A thread of its own writes lines to a file descriptor, so that the code that logs never waits.

A pipe that nobody reads, a terminal that is stopped, a disk that is full: all of them hold up the
thread, and none of them an event loop. What does not fit is lost, counted, and said afterwards.
"""

import atexit
import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

MOST_LINES = 10_000
MOST_BYTES = 4 << 20
FLUSH_TIMEOUT = 1.0
"""Seconds that the end of a process may wait for its last lines."""

_AT_A_TIME = 64 << 10
_TRY_AGAIN = 0.5  # seconds, where a descriptor takes nothing and does not say until when


class LineWriter:
    """A ``LineWriter`` writes lines to ``fd``, in order.

    ``lost`` renders the line that says how many lines were lost.
    """

    def __init__(
        self,
        fd: int,
        lost: Callable[[int], str],
        *,
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._fd = fd
        self.say_lost = lost
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._busy = self._failing = False
        self._process = 0
        # Re-entrant: the collector may run, and log, while this very thread holds it.
        self._changed = threading.Condition(threading.RLock())

    def write(self, text: str) -> None:
        """Take one line, without its end; never wait and never fail."""
        line = text.encode(errors="backslashreplace") + b"\n"
        with self._changed:
            self._start_thread()
            full = len(self._lines) >= self._most_lines
            if full or self._bytes + len(line) > self._most_bytes:
                self._lost += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Wait until all is written, at most ``timeout`` seconds; say whether it is."""
        until = time.monotonic() + timeout
        with self._changed:
            while self._process == os.getpid() and (self._lines or self._lost or self._busy):
                if self._failing or not self._changed.wait(until - time.monotonic()):
                    return False
        return True

    def _start_thread(self) -> None:
        """Have a thread; a forked child has none of its parent's, and none of its lines."""
        if self._process == os.getpid():
            return
        if self._process:
            self._lines.clear()
            self._bytes = self._lost = 0
        self._process, self._busy = os.getpid(), False
        threading.Thread(target=self._run, name="musterd-log", daemon=True).start()
        atexit.register(self.flush)

    def _run(self) -> None:
        while True:
            piece, count = self._next()
            taken = self._put(piece)
            with self._changed:
                self._lost += 0 if taken else count
                self._busy, self._failing = False, not taken
                self._changed.notify_all()

    def _next(self) -> tuple[bytes, int]:
        """Wait for lines; return some and their number. After the last comes how many were lost."""
        with self._changed:
            while not self._lines and not self._lost:
                self._changed.wait()
            self._busy = True
            pieces, size, count = [], 0, 0
            while self._lines and size < _AT_A_TIME:
                pieces.append(self._lines.popleft())
                size, count = size + len(pieces[-1]), count + 1
            self._bytes -= size
            if self._lost and not self._lines:
                pieces.append(self.say_lost(self._lost).encode() + b"\n")
                count, self._lost = count + self._lost, 0
            return b"".join(pieces), count

    def _put(self, piece: bytes) -> bool:
        """Write all of it, for as long as that takes; return False if it cannot be written."""
        rest = memoryview(piece)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another program made the terminal that we share non-blocking
                _wait_for_room(self._fd)
            except OSError as error:
                if error.errno != errno.EINTR:
                    time.sleep(_TRY_AGAIN)
                    return False
        return True


def _wait_for_room(fd: int) -> None:
    """Wait until ``fd`` takes something, but not too long; whatever its number and kind."""
    room = select.poll()
    room.register(fd, select.POLLOUT)
    room.poll(_TRY_AGAIN * 1000)
