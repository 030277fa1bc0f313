"""The module leads a driver to a host by name: we look the name up, and try its addresses in turn.

asyncpg has an argument for the event loop that it connects by, and asyncmy an attribute; this is what
they get. Nothing of them is changed.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from musterd.stores.readings import read_little
from musterd.tls import GOODBYE
from musterd.ways import Way

Ways = MutableMapping[str, Way]


class NamedLoop:
    """A ``NamedLoop`` is the event loop for one connect of asyncpg, to addresses that we looked up.

    asyncpg itself is told the name, since that is what a certificate and a password file go by.
    ``reached`` is the name and the address of the last connection; None for a local socket.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ways: Ways, hosts: int, brief: float
    ) -> None:
        self._loop = loop
        self._ways = ways
        self._hosts = hosts  # that may still have to be tried
        self._brief = brief
        self.reached: tuple[str, str] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return itself, as the type that it stands for."""
        return cast(asyncio.AbstractEventLoop, self)

    async def create_connection(
        self, factory: Callable[[], Any], host: str = "", port: int = 0, **options: Any
    ) -> tuple[Any, Any]:
        """Connect as the loop itself does, by the way to ``host``; or go on with TLS on a ``sock``."""
        if options.get("ssl"):
            options["ssl_shutdown_timeout"] = GOODBYE
        if options.get("sock") is not None:  # asyncmy begins TLS so
            return await self._loop.create_connection(factory, **options)
        if options.get("ssl"):
            options.setdefault("server_hostname", host)

        def heeded() -> Any:
            return _heeded(factory())

        async def connect(address: str) -> tuple[Any, Any]:
            made = await self._loop.create_connection(heeded, address, port, **options)
            read_little(made[0])
            self.reached = host, address
            return made

        hosts, self._hosts = self._hosts, max(1, self._hosts - 1)
        way = self._ways.setdefault(host, Way(host))
        return await way.connect(connect, hosts, self._brief)

    async def start_tls(self, *connection: Any, **options: Any) -> Any:
        """Begin TLS as the loop itself does, and end it without ado."""
        return await self._loop.start_tls(*connection, ssl_shutdown_timeout=GOODBYE, **options)


def _heeded(protocol: Any) -> Any:
    """Return ``protocol``, with the server's answer awaited if it is asyncpg's request for TLS.

    asyncpg does not await it when its connect is cancelled at the wrong moment: the answer is then that
    the connection was lost, and asyncio would complain later on, with a traceback, that nothing saw it.
    """
    answer = getattr(protocol, "on_data", None)
    if isinstance(answer, asyncio.Future):
        answer.add_done_callback(_see)
    return protocol


def _see(answer: asyncio.Future[bool]) -> None:
    if not answer.cancelled():
        answer.exception()  # which counts as awaiting it
