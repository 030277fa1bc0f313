"""HTTP requests over connections that stay open, as fast as they are answered.

``python -m benchmarks.query_load HOST PORT CONNECTIONS SECONDS FILE`` is for machines without wrk.
FILE has one request in a line: method, path and body, with tabs between; they are sent in turn. A
bare protocol and no HTTP client: what is measured is to be the server. Prints a JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import cast

END = b"\r\n\r\n"


class Answers:
    """What came back on all connections: latencies in seconds, and answers other than 200."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests: Iterator[bytes] = cycle(requests)
        self.latencies: list[float] = []
        self.errors = 0


class Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next one."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""
        self._began = 0.0
        self._stopped = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._received += data
        head, end, body = self._received.partition(END)
        if end and len(body) >= length(head):
            self._answers.latencies.append(time.perf_counter() - self._began)
            self._answers.errors += not head.startswith(b"HTTP/1.1 200 ")
            self._received = b""
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._answers.errors += not self._stopped

    def stop(self) -> None:
        """Close the connection."""
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        assert self._transport is not None
        self._began = time.perf_counter()
        self._transport.write(next(self._answers.requests))


def length(head: bytes) -> int:
    """The length of the body after this head of an answer. ValueError when it does not say."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without a length")


def written(line: str, host: str) -> bytes:
    """The request in a line of the file, as it is sent."""
    method, path, body = line.split("\t")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", body]).encode()


async def load(
    host: str, port: int, connections: int, seconds: float, lines: Sequence[str]
) -> dict[str, float]:
    """Requests a second, latencies in milliseconds, and errors."""
    answers = Answers([written(line, host) for line in lines])
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: Connection(answers), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    for connection in opened:
        connection.stop()
    latencies = sorted(answers.latencies)
    return {
        "per_second": len(latencies) / took,
        "p50": 1e3 * percentile(latencies, 0.5),
        "p99": 1e3 * percentile(latencies, 0.99),
        "most": 1e3 * latencies[-1],
        "errors": answers.errors,
    }


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value that ``share`` of these are not above."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def main() -> None:
    """Load, and print."""
    host, port, connections, seconds, file = sys.argv[1:]
    lines = Path(file).read_text().splitlines()
    print(json.dumps(asyncio.run(load(host, int(port), int(connections), float(seconds), lines))))


if __name__ == "__main__":
    main()
