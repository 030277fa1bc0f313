"""A cutting proxy before a server, for tests that block: it runs in a thread with its own loop."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from musterd.testing import CuttingProxy
from musterd.testing.proxy import Inside
from musterd.testing.servers import Memcached


class Proxied:
    """The way to ``server`` that a test can cut; all verbs take effect before they return.

    TLS passes it as it is, unless it stands ``inside``.
    """

    def __init__(self, server: Memcached, inside: Inside | None = None) -> None:
        self._server = server
        self._inside = inside
        self._stack = ExitStack()
        self._portal: BlockingPortal
        self._proxy: CuttingProxy

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            proxy = CuttingProxy(self._server.host, self._server.port, inside=self._inside)
            self._proxy = stack.enter_context(self._portal.wrap_async_context_manager(proxy))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The store URL of the server by way of the proxy."""
        return self._server.url.replace(self._server.address, self._proxy.address)

    def do(self, verb: Callable[[CuttingProxy], None]) -> None:
        """Let the proxy do something: ``do(lambda proxy: proxy.limit(3))``."""
        self._portal.call(verb, self._proxy)

    def heal(self) -> None:
        """Lead everything on as it is; connections that were lost stay lost."""
        self.do(CuttingProxy.heal)

    def delay(self, seconds: float) -> None:
        """Let a round trip take so much longer."""

        def both_ways(proxy: CuttingProxy) -> None:
            for lane in (proxy.requests, proxy.replies):
                lane.delay(seconds / 2)

        self.do(both_ways)

    def change(self, function: Callable[[bytes], bytes]) -> None:
        """Pass on ``function(chunk)`` in place of each chunk of the replies."""
        self.do(lambda proxy: proxy.replies.change(function))

    def cut_replies(self, after: int) -> None:
        """Reset the connection that brings the last of the next so many bytes of replies."""
        self.do(lambda proxy: proxy.replies.reset_after(after))
