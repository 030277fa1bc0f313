"""musterd's embedded store runs here by itself, to be hung and measured apart from a coordinator."""

import sys

import anyio

from musterd.stores.table.table import Table
from musterd_coordinator.limits.descriptors import allow_all
from musterd_coordinator.memcache.server import serve


async def main(host: str, port: int) -> None:
    """Serve until killed."""
    async with serve(host, port, Table()):
        await anyio.sleep_forever()


if __name__ == "__main__":
    allow_all()
    anyio.run(main, sys.argv[1], int(sys.argv[2]), backend_options={"use_uvloop": True})
