"""An address to listen on may come late: a virtual IP, a name at boot, a port not yet given up."""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio
import structlog

from musterd.errors import CannotListen

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds; longer is up to what starts the daemon again."""

_PAUSE = 1.0


async def patiently(listen: Callable[[], Awaitable[T]], what: str, patience: float = PATIENCE) -> T:
    """Return what ``listen()`` gives, tried once a second; raise CannotListen after ``patience`` seconds.

    ``what`` says in the log what waits.
    """
    began, warned = anyio.current_time(), False
    while True:
        try:
            taken = await listen()
        except CannotListen as error:
            if anyio.current_time() - began >= patience:
                raise
            if not warned:
                log.warning("cannot listen yet", what=what, reason=str(error), patience=patience)
            warned = True
            await anyio.sleep(_PAUSE)
        else:
            if warned:
                log.info("listens at last", what=what)
            return taken


def warn_of_loopback(what: str, host: str, addresses: Sequence[str]) -> None:
    """Warn where a name of this host stands for addresses that no other host can reach.

    As ``127.0.1.1`` does, which Debian's installer writes into ``/etc/hosts``.
    """
    named_so = host.lower() == "localhost" or host.lower().startswith("localhost.")
    if named_so or is_loopback(host) or not all(map(is_loopback, addresses)):
        return
    log.warning(
        "listening on loopback only",
        what=what,
        name=host,
        addresses=list(addresses),
        note="no other host reaches it; name an address instead, such as 0.0.0.0",
    )


def is_loopback(address: str) -> bool:
    """Say whether no other host reaches this address."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
