"""Gives memory that is free back to the system, which the C library does only at the end of its heap."""

import ctypes
from contextlib import suppress

import anyio
from anyio import to_thread

PERIOD = 30.0


async def keep_small() -> None:
    """Give back what is free, twice a minute, for ever; nothing where the C library is not glibc.

    A first roster, or a million changes at once, leave holes of tens of bytes a member.
    """
    with suppress(AttributeError):
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await anyio.sleep(PERIOD)
            await to_thread.run_sync(trim, 0)
