"""Certificates that are renewed are taken without a restart: by looking, and when told to."""

import anyio

from musterd.tls import LOOK_EVERY, Tls

WARN_EVERY = 86400.0
"""Seconds from one warning of a certificate that has expired to the next."""


async def keep_looking(
    tls: Tls, *, period: float = LOOK_EVERY, warn_every: float = WARN_EVERY
) -> None:
    """Take renewed files of ``tls`` as they come, until cancelled."""
    warned = anyio.current_time()
    while True:
        await anyio.sleep(period)
        tls.look()
        if anyio.current_time() - warned >= warn_every:
            warned = anyio.current_time()
            tls.warn()
