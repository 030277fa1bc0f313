"""The module limits how much is read at once from a connection on which little is said."""

import asyncio

READ_SIZE = 16 << 10


def read_little(transport: asyncio.BaseTransport) -> None:
    """Let ``transport`` read :data:`READ_SIZE` bytes at once, and more in several readings.

    asyncio has 256 kB of memory mapped for each reading, and unmapped after it: for a reply of eight
    bytes that costs more than to read it.
    """
    if hasattr(transport, "max_size"):  # uvloop's have a buffer of their own
        transport.max_size = READ_SIZE
