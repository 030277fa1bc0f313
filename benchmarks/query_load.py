"""The program sends HTTP requests over connections that stay open, at full speed or at a rate.

At full speed, a connection sends its next request when its last one was answered.

``python -m benchmarks.query_load HOST PORT CONNECTIONS SECONDS FILE [RATE]``. FILE has one request
in a line: method, path and body, with tabs between; they are sent in turn. With RATE, in requests a
second, they are wanted by the clock, whatever became of the requests before, and the time that a
request waits for a free connection belongs to its latency. This is a bare protocol and no HTTP
client, because the server is to be measured. The program prints a JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.pacing import Wants, run

PATIENCE = 60.0
"""Seconds for one answer where the machine is busy, or the seconds of a test are few."""

END = b"\r\n\r\n"


class Answers:
    """An `Answers` is what came back on all connections, for requests as they are wanted.

    It has latencies in seconds, and the number of answers other than 200.
    """

    def __init__(self, requests: Sequence[bytes], wants: Wants) -> None:
        self.wants = wants
        self.requests: Iterator[bytes] = cycle(requests)
        self.latencies: list[float] = []
        self.errors = 0
        self.told = asyncio.Event()  # set by the first answer, and by the end of a connection


class Connection(asyncio.Protocol):
    """A `Connection` sends a request, awaits its answer, and sends the next when it is wanted."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""
        self._began = 0.0
        self._stopped = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request; the event loop calls this."""
        self._transport = cast(asyncio.Transport, transport)
        self.take_turn()

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer; the event loop calls this."""
        self._received += data
        head, end, body = self._received.partition(END)
        if end and len(body) >= length(head):
            self._answers.latencies.append(self._answers.wants.clock() - self._began)
            self._answers.errors += not head.startswith(b"HTTP/1.1 200 ")
            self._received = b""
            self._answers.told.set()
            self.take_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an error unless it was stopped; the event loop calls this."""
        self._answers.errors += not self._stopped
        self._answers.told.set()

    def stop(self) -> None:
        """Close the connection."""
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()

    def take_turn(self) -> None:
        """Send the next request that is wanted, or be idle."""
        assert self._transport is not None
        wanted = self._answers.wants.next()
        if wanted is None:
            self._answers.wants.idle.append(self)
        else:
            self._began = wanted
            self._transport.write(next(self._answers.requests))


def length(head: bytes) -> int:
    """Return the length of the body after this head. Raises ValueError when it does not say."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without a length")


def written(line: str, host: str) -> bytes:
    """Return the request in a line of the file, as it is sent."""
    method, path, body = line.split("\t")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", body]).encode()


async def load(
    host: str, port: int, connections: int, seconds: float, lines: Sequence[str], rate: float = 0
) -> dict[str, float]:
    """Return answers a second, latencies in milliseconds, and errors.

    With a ``rate`` of 0 it goes as fast as it can. It goes on until there was one answer at least.
    Raises TimeoutError.
    """
    answers = Answers([written(line, host) for line in lines], Wants(rate))
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: Connection(answers), host, port))[1]
        for _ in range(connections)
    ]
    wanting = loop.create_task(answers.wants.keep_wanting())
    await asyncio.sleep(seconds)
    async with asyncio.timeout(PATIENCE):
        await answers.told.wait()
    took = time.perf_counter() - began
    wanting.cancel()
    for connection in opened:
        connection.stop()
    p50, p99, most = (1e3 * np.percentile(answers.latencies, (50, 99, 100))).tolist()
    return {
        "per_second": len(answers.latencies) / took,
        "p50": p50,
        "p99": p99,
        "most": most,
        "errors": answers.errors,
    }


def main() -> None:
    """Load, and print."""
    host, port, connections, seconds, file, *rates = sys.argv[1:]
    lines, rate = Path(file).read_text().splitlines(), float(rates[0]) if rates else 0.0
    found = load(host, int(port), int(connections), float(seconds), lines, rate)
    print(json.dumps(run(found)))


if __name__ == "__main__":
    main()
