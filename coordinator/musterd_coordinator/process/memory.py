"""`keep_small` gives free memory back, which the C library does only at the end of its heap."""

import ctypes
from contextlib import suppress

import anyio
from anyio import to_thread

PERIOD = 30.0


async def keep_small(library: object = None, *, period: float = PERIOD) -> None:
    """Give back what is free, twice a minute, for ever; nothing where the C library is not glibc.

    ``library`` is the C library, where it is not that of this process.

    A first roster, or a million changes at once, leave holes of tens of bytes a member.
    """
    with suppress(AttributeError):
        trim = (library or ctypes.CDLL(None)).malloc_trim  # type: ignore[attr-defined]
        while True:
            await anyio.sleep(period)
            await to_thread.run_sync(trim, 0)
