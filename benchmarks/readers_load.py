"""The program follows a coordinator's events in columns, over many connections at once.

``python -m benchmarks.readers_load HOST PORT READERS SECONDS``. It connects all readers, and those that
are refused or cut off again every tenth of a second, until the time is over or its input ends; then it
prints a JSON object. A coordinator lets one address have a part of its readers: so they come from several
addresses of this machine. Answers are not compressed: to unpack them a thousand times would take the
cores that are measured.
"""

import json
import re
import select
import socket
import sys
import time
from datetime import datetime

import numpy as np

ADDRESSES = 8
"""Addresses that readers come from, 127.0.0.2 and so on."""

AGAIN = 0.1  # seconds
_CHUNK = 1 << 18
_COLUMNS, _CELLS = b"event: columns\n", b"event: cells\n"
_MADE = re.compile(rb'"at":"([^"]+)"')
_ASK = b"GET /v1/events?form=columns HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: identity\r\n\r\n"


class Reader:
    """A `Reader` is one connection, and what came over it so far.

    It is ``whole`` from the end of its first ``columns`` on.
    """

    def __init__(self, number: int, host: str, port: int) -> None:
        self.number = number
        self._to = host, port
        self.whole = False
        self._tail = b""
        self._in_columns = False
        self.socket = socket.socket()

    def connect(self) -> bool:
        """Connect and ask; say whether somebody was there."""
        self.whole, self._tail, self._in_columns = False, b"", False
        self.socket = socket.socket()
        try:
            self.socket.bind((f"127.0.0.{2 + self.number % ADDRESSES}", 0))
            self.socket.connect(self._to)
            self.socket.send(_ASK % self._to[0].encode())
        except OSError:
            self.socket.close()
            return False
        self.socket.setblocking(False)
        return True

    def read(self) -> bytes | None:
        """Return what came, after the end of what came before; None: it is cut off, or was refused."""
        try:
            came = self.socket.recv(_CHUNK)
        except OSError:
            came = b""
        if not came or came.startswith(b"HTTP/1.1 5"):
            self.socket.close()
            return None
        heard = self._tail + came
        self._tail = heard[-len(_COLUMNS) :]
        if not self.whole:
            self._in_columns = self._in_columns or _COLUMNS in heard
            self.whole = self._in_columns and b"]}\n\n" in heard[-64:]
        return heard


class Crowd:
    """A `Crowd` is all readers, and how long after it was made each event reached each of them."""

    def __init__(self, readers: int, host: str, port: int) -> None:
        self._away = [Reader(number, host, port) for number in range(readers)]
        self._here: dict[int, Reader] = {}
        self._came = select.epoll()
        self._size = readers
        self.late: list[float] = []
        self.first: float | None = None  # when one was answered
        self.whole: float | None = None  # when all had their first columns, after that
        self.cut = 0

    def follow(self, seconds: float) -> None:
        """Follow for so many seconds after all are whole."""
        tried = 0.0
        while self.whole is None or time.time() - self.whole < seconds:
            if self._away and time.time() - tried >= AGAIN:
                tried = time.time()
                self._connect()
            for number, _ in self._came.poll(AGAIN / 2):
                self._take(number)

    def _connect(self) -> None:
        trying, self._away = self._away, []
        for at, reader in enumerate(trying):
            if not reader.connect():
                self._away += trying[at:]
                return
            self._here[reader.socket.fileno()] = reader
            self._came.register(reader.socket, select.EPOLLIN)

    def _take(self, number: int) -> None:
        reader = self._here[number]
        was_whole, heard = reader.whole, reader.read()
        now = time.time()
        if heard is None:
            self._away.append(self._here.pop(number))
            self.cut += was_whole
            return
        self.first = self.first or now
        if was_whole:
            self._note(heard, now)
        elif reader.whole and self.whole is None and self._all_whole():
            self.whole = now

    def _all_whole(self) -> bool:
        return len(self._here) == self._size and all(one.whole for one in self._here.values())

    def _note(self, heard: bytes, now: float) -> None:
        at = heard.find(_CELLS)
        made = _MADE.search(heard, at) if at >= 0 else None
        if made is not None:
            self.late.append(now - datetime.fromisoformat(made[1].decode()).timestamp())


def main() -> None:
    """Follow, and print."""
    host, port, readers, seconds = sys.argv[1:]
    crowd = Crowd(int(readers), host, int(port))
    began = time.time()
    crowd.follow(float(seconds))
    assert crowd.first is not None
    assert crowd.whole is not None
    p50, p99, most = (1e3 * np.percentile(crowd.late or [0.0], (50, 99, 100))).tolist()
    found = {"first": crowd.first - began, "whole": crowd.whole - crowd.first, "cut": crowd.cut}
    print(json.dumps(found | {"events": len(crowd.late), "p50": p50, "p99": p99, "most": most}))


if __name__ == "__main__":
    main()
