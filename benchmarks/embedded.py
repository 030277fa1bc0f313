"""The coordinator's embedded store by itself: ``python -m benchmarks.embedded HOST PORT``."""

import sys

import anyio

from musterd.stores.table import Table
from musterd_coordinator.descriptors import allow_all
from musterd_coordinator.memcache_server import serve


async def _serve(host: str, port: int) -> None:
    async with serve(host, port, Table()):
        print("serving", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    allow_all()
    anyio.run(_serve, sys.argv[1], int(sys.argv[2]), backend_options={"use_uvloop": True})
