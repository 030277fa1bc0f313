"""What a browser meets: a coordinator's API that comes and goes, and a site of somebody else's."""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from anyio.from_thread import BlockingPortal

from musterd.testing.processes import HOST
from musterd.tls import Tls
from musterd.tokens import Rank
from musterd_coordinator.http import make_app
from tests.http_desk import DictDesk
from tests.http_serving import served_app
from tests.unit.token_shelf import Door

EVIL = "evil.example"
"""The name of a site of somebody else's, which the browser finds at our own address."""


class Api:
    """A coordinator's API over a desk, served in the loop of another thread, on a port that is held."""

    def __init__(self, portal: BlockingPortal, port: int, tls: Tls | None = None) -> None:
        self._portal, self._tls = portal, tls
        self._serving = ExitStack()
        self.port = port
        self.url = f"{'http' if tls is None else 'https'}://{HOST}:{port}"
        self.desk = DictDesk()
        self.door = Door()
        self.app = make_app(self.desk, self.door.access)

    def __enter__(self) -> Self:
        self.app = make_app(self.desk, self.door.access)  # one that stopped tells no more of events
        serving = served_app(self.app, f"{HOST}:{self.port}", tls=self._tls)
        self._serving.enter_context(self._portal.wrap_async_context_manager(serving))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._serving.close()

    def change(self, change: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Change the desk where it is served."""
        self._portal.call(partial(change, *args, **kwargs))

    def token(self, name: str, rank: Rank = Rank.READER, *groups: str) -> str:
        """Make a token; from the first one on the API asks for one."""
        return self._portal.call(partial(self.door.make, name, rank, *groups)).text

    def revoke(self, name: str) -> None:
        """Revoke a token."""
        self._portal.call(self.door.access.revoke, name)

    @property
    def ordered(self) -> list[str]:
        """Return what anybody achieved: orders, and tokens."""
        return [str(origin) for origin in self.desk.origins] + list(self.door.shelf.kept)


class Stranger:
    """A site that shows one page for every path, and remembers which ones were asked for."""

    def __init__(self, port: int, page: str = "<title>a site</title>") -> None:
        self.url = f"http://{EVIL}:{port}/"
        self.asked: list[str] = []
        self._port, self._page = port, page.encode()

    def __enter__(self) -> Self:
        handler = partial(_OnePage, self._page, self.asked)
        self._server = _Site((HOST, self._port), handler)
        threading.Thread(target=self._server.serve_forever, args=[0.01]).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Site(ThreadingHTTPServer):
    """A `_Site` leaves no connection that a browser made in advance, on which it would still answer."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):  # most are closed
                connection.shutdown(socket.SHUT_RDWR)


class _OnePage(BaseHTTPRequestHandler):
    def __init__(self, page: bytes, asked: list[str], *args: object) -> None:
        self._page, self._asked = page, asked
        super().__init__(*args)  # type: ignore[arg-type]  # what the server gives: a socket, an address and itself

    def do_GET(self) -> None:
        self._asked.append(self.path)
        self.send_response(200)
        self.send_header("content-type", "text/html")
        with suppress(ConnectionError):  # the site is gone, or the browser is
            self.end_headers()
            self.wfile.write(self._page)

    do_POST = do_GET  # noqa: N815  # the server's word

    def log_message(self, *args: object) -> None:
        """Say nothing."""
