"""The demo's store: musterd's embedded server in a process of its own, so that it can be hung."""

import sys

import anyio

from musterd.stores.table import Table
from musterd_coordinator.memcache_server import serve


async def main(port: int) -> None:
    """Serve until killed."""
    async with serve("127.0.0.1", port, Table()):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]))
