"""The program asks a memcached, or a door, for one key after another over connections that stay open.

``python -m benchmarks.door_load HOST PORT CONNECTIONS SECONDS PROTOCOL FILE [RATE]``. FILE has a key in
each line; PROTOCOL is ``text`` or ``binary``. A connection asks for its next key when it has the last
one, as Nova's services do, each from a thread of its own; or, with RATE, when one is wanted: so many a
second by the clock. A bare protocol asks, because the server is to be measured.
The program prints a JSON object.
"""

import json
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

_HEADER = struct.Struct("!BBHBBHIIQ")
_MISS = b"END\r\n"
_MOST = 8192  # bytes of an answer that are read at once
_PATIENCE = 10.0  # seconds for a connection
_LOOK = 0.0001  # seconds between two looks at the clock while nothing is asked


def _text(key: bytes) -> bytes:
    return b"get %b\r\n" % key


def _text_miss(heard: bytes) -> bool | None:
    return heard == _MISS if heard.endswith(_MISS) else None


def _binary(key: bytes) -> bytes:
    return _HEADER.pack(0x80, 0, len(key), 0, 0, 0, len(key), 0, 0) + key


def _binary_miss(heard: bytes) -> bool | None:
    if len(heard) < _HEADER.size:
        return None
    *_, status, size, _, _ = _HEADER.unpack_from(heard)
    return bool(status) if len(heard) == _HEADER.size + size else None


PROTOCOLS = {"text": (_text, _text_miss), "binary": (_binary, _binary_miss)}


class Load(NamedTuple):
    """A `Load` asks over ``connections`` for so many ``seconds``, at a ``rate`` a second or freely."""

    connections: int
    seconds: float
    protocol: str
    rate: float = 0


class Asker:
    """An `Asker` asks over its connections, which are sockets by their file descriptors.

    No event loop of Python's stands between: it would cost more than the answers that are measured, on
    the same two cores. At a rate, requests are wanted by the clock, whatever became of those before: the
    time for which one waits for a free connection belongs to its latency, and so does the time by which
    the asker itself is late.
    """

    def __init__(self, opened: Sequence[socket.socket], load: Load, keys: Sequence[bytes]) -> None:
        ask, self._miss = PROTOCOLS[load.protocol]
        self._connections = {one.fileno(): one for one in opened}
        self._requests: Iterator[bytes] = cycle([ask(key) for key in keys])
        self._rate = load.rate
        self._wanted: deque[float] = deque()  # since when, for each request that is due
        self._idle = list(self._connections)
        self._since: dict[int, float] = {}  # a request is wanted that a connection asked for
        self._heard = dict.fromkeys(self._connections, b"")
        self._came = select.epoll()
        for number in self._connections:
            self._came.register(number, select.EPOLLIN)
        self.latencies: list[float] = []
        self.misses = 0

    def ask_for(self, seconds: float) -> None:
        """Ask for so many seconds."""
        began, count = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            count = self._want(began, now, count)
            self._use_idle()
            if len(self._idle) == len(self._connections):
                time.sleep(_LOOK)
                continue
            for number, _ in self._came.poll(0.001 if self._rate else seconds):
                self._take(number)

    def _want(self, began: float, now: float, count: int) -> int:
        """Want what is due by the rate, after the first ``count``; return how many were wanted."""
        if not self._rate:
            self._wanted.extend([now] * len(self._idle))
            return 0
        due = int((now - began) * self._rate)
        self._wanted.extend(began + number / self._rate for number in range(count + 1, due + 1))
        return due

    def _use_idle(self) -> None:
        while self._wanted and self._idle:
            number = self._idle.pop()
            self._since[number] = self._wanted.popleft()
            self._connections[number].send(next(self._requests))

    def _take(self, number: int) -> None:
        """Take in what came; a connection with a whole answer is idle."""
        came = self._connections[number].recv(_MOST)
        if not came:
            raise ConnectionResetError("a connection was closed by who was asked")
        heard = self._heard[number] + came
        miss = self._miss(heard)
        self._heard[number] = heard if miss is None else b""
        if miss is not None:
            self.latencies.append(time.perf_counter() - self._since[number])
            self.misses += miss
            self._idle.append(number)
            self._use_idle()


def asked(host: str, port: int, load: Load, keys: Sequence[bytes]) -> dict[str, float]:
    """Return answers a second, latencies in milliseconds, and misses."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection((host, port), _PATIENCE))
            for _ in range(load.connections)
        ]
        for one in opened:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
        asker = Asker(opened, load, keys)
        began = time.perf_counter()
        asker.ask_for(load.seconds)
        took = time.perf_counter() - began
    p50, p99, most = (1e3 * np.percentile(asker.latencies, (50, 99, 100))).tolist()
    return {
        "per_second": len(asker.latencies) / took,
        "p50": p50,
        "p99": p99,
        "most": most,
        "misses": asker.misses,
    }


def main() -> None:
    """Ask, and print."""
    host, port, connections, seconds, protocol, file, *rates = sys.argv[1:]
    load = Load(int(connections), float(seconds), protocol, *map(float, rates))
    keys = Path(file).read_bytes().split()
    print(json.dumps(asked(host, int(port), load, keys)))


if __name__ == "__main__":
    main()
