"""The program is the least possible agent: one driver, one timer, one 64-byte value per interval.

It has no group, no retry, no deadline and no schedule of its own, and counts and logs nothing. A
musterd agent is measured against it: ``python -m benchmarks.minimal_sender STORE_URL INTERVAL``.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

_VALUE = bytes(64)
_TABLE = "CREATE UNLOGGED TABLE IF NOT EXISTS minimal (slot int PRIMARY KEY, record bytea, at timestamptz)"
_INSERT = "INSERT INTO minimal VALUES ($1, $2, now())"
_UPDATE = "UPDATE minimal SET record = $2, at = now() WHERE slot = $1"

Send = Callable[[], Awaitable[object]]


async def _keyed(url: str) -> Send:
    import aiomcache  # the one driver is a share of the memory that is measured

    parts = urlsplit(url)
    client = aiomcache.Client(parts.hostname or "", parts.port or 11211)
    key = b"minimal:%d" % os.getpid()
    return lambda: client.set(key, _VALUE)


async def _postgres(url: str) -> Send:
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute(_TABLE)
    await connection.execute(_INSERT, os.getpid(), _VALUE)
    update = await connection.prepare(_UPDATE)
    return lambda: update.fetch(os.getpid(), _VALUE)


async def _keep_sending(url: str, interval: float) -> None:
    send = await (_postgres(url) if url.startswith("postgresql") else _keyed(url))
    await send()
    print("sending", flush=True)
    while True:
        await asyncio.sleep(interval)
        await send()


if __name__ == "__main__":
    asyncio.run(_keep_sending(sys.argv[1], float(sys.argv[2])))
