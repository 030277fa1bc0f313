"""The program asks a memcached, or a door, for one key after another over connections that stay open.

``python -m benchmarks.door_load HOST PORT CONNECTIONS SECONDS PROTOCOL FILE [RATE]``. FILE has a key in
each line; PROTOCOL is ``text`` or ``binary``. A connection asks for its next key when it has the last
one, as Nova's services do, each from a thread of its own; or, with RATE, when one is wanted: so many a
second (:mod:`benchmarks.pacing`). A bare protocol asks, because the server is to be measured.
The program prints a JSON object.
"""

import asyncio
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from benchmarks.pacing import Wants, run

_HEADER = struct.Struct("!BBHBBHIIQ")
_MISS = b"END\r\n"


class Tally:
    """A `Tally` has the latencies of all connections, in seconds, and how many keys had no value."""

    def __init__(self, keys: Sequence[bytes], wants: Wants) -> None:
        self.wants = wants
        self.keys: Iterator[bytes] = cycle(keys)
        self.latencies: list[float] = []
        self.misses = 0
        self.lost = 0  # connections that ended


class Asker(asyncio.Protocol):
    """An `Asker` asks for one key at a time. ``ask`` makes a request, ``miss`` reads a whole answer.

    That says whether it is a miss, and None while it is not whole.
    """

    def __init__(
        self,
        tally: Tally,
        ask: Callable[[bytes], bytes],
        miss: Callable[[bytes], bool | None],
    ) -> None:
        self._tally = tally
        self._ask = ask
        self._miss = miss
        self._heard = b""
        self._began = 0.0
        self._stopped = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first key."""
        self._transport = cast(asyncio.Transport, transport)
        self.take_turn()

    def data_received(self, data: bytes) -> None:
        """Take in an answer, and ask for the next key."""
        self._heard += data
        miss = self._miss(self._heard)
        if miss is None:
            return
        self._tally.latencies.append(self._tally.wants.clock() - self._began)
        self._tally.misses += miss
        self._heard = b""
        self.take_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it, unless it was stopped."""
        self._tally.lost += not self._stopped

    def take_turn(self) -> None:
        """Ask for the next key if one is wanted, or be idle."""
        wanted = self._tally.wants.next()
        if wanted is None:
            self._tally.wants.idle.append(self)
        else:
            self._began = wanted
            self._transport.write(self._ask(next(self._tally.keys)))

    def stop(self) -> None:
        """Close the connection."""
        self._stopped = True
        self._transport.abort()


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


async def asked(host: str, port: int, load: Load, keys: Sequence[bytes]) -> dict[str, float]:
    """Return answers a second, latencies in milliseconds, and misses."""
    tally, (ask, miss) = Tally(keys, Wants(load.rate)), PROTOCOLS[load.protocol]
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: Asker(tally, ask, miss), host, port))[1]
        for _ in range(load.connections)
    ]
    wanting = loop.create_task(tally.wants.keep_wanting())
    await asyncio.sleep(load.seconds)
    wanting.cancel()
    took = time.perf_counter() - began
    for asker in opened:
        asker.stop()
    p50, p99, most = (1e3 * np.percentile(tally.latencies, (50, 99, 100))).tolist()
    return {
        "per_second": len(tally.latencies) / took,
        "p50": p50,
        "p99": p99,
        "most": most,
        "misses": tally.misses,
        "lost": tally.lost,
    }


def main() -> None:
    """Ask, and print."""
    host, port, connections, seconds, protocol, file, *rates = sys.argv[1:]
    load = Load(int(connections), float(seconds), protocol, *map(float, rates))
    keys = Path(file).read_bytes().split()
    print(json.dumps(run(asked(host, int(port), load, keys))))


if __name__ == "__main__":
    main()
