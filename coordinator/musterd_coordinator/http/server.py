"""uvicorn runs inside our own task group, without signals of its own, and stops in bounded time.

Our own listener accepts, so that handshakes are bounded, too.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import msgspec
import uvicorn
from anyio.abc import TaskStatus

from musterd.answers import ProblemDetails
from musterd.renewal import keep_looking
from musterd.tls import Tls
from musterd.urls import host_and_port, listen_parts, socket_path
from musterd_coordinator.doorway.listener import Listener
from musterd_coordinator.doorway.local import remove
from musterd_coordinator.http.app import App
from musterd_coordinator.http.connection import Connection
from musterd_coordinator.http.listen import bind, url_of
from musterd_coordinator.process.binding import PATIENCE, patiently, warn_of_loopback
from musterd_coordinator.process.daemon import lasting

KEEP_ALIVE = 75
STOP_TIMEOUT = 1


async def serve_http(
    app: App,
    listen: str,
    *,
    tls: Tls | None = None,
    patience: float = PATIENCE,
    connection: type[Connection] = Connection,
    task_status: TaskStatus[list[str]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``app`` on ``listen``, the addresses of :func:`bind`, until cancelled.

    Speaks ``tls`` if that is given, and nothing else but on Unix sockets. Reports the URLs that it
    answers at once it listens, with the real port where 0 was asked. Stops within about a second of
    being cancelled, whatever is still connected. Raises ConfigError if the address is not usable, and
    CannotListen if it cannot be had for ``patience`` seconds. Each caller is a ``connection``.
    """
    sockets = await patiently(partial(bind, listen), "API", patience)
    addresses = [str(one.getsockname()[0]) for one in sockets if one.family != socket.AF_UNIX]
    for one in listen_parts(listen):
        if socket_path(one) is None:
            warn_of_loopback("API", host_and_port(one)[0], addresses)
    if tls is not None:
        tls.context()
    server = _Server(_config(app, connection), tls)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, server, sockets)
        if tls is not None:
            tasks.start_soon(lasting, "renewed certificates", partial(keep_looking, tls))
        task_status.started([url_of(one, by_tls=tls is not None) for one in sockets])
        try:
            await anyio.sleep_forever()
        finally:
            app.stop()
            server.should_exit = True


async def _serve(server: "_Server", sockets: list[socket.socket]) -> None:
    # Shielded: it ends by itself when told to, and its own end is bounded.
    with anyio.CancelScope(shield=True):
        await server.serve(sockets)
        server.abort_connections()


def _config(app: App, connection: type[Connection]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_TIMEOUT,
    )


def _plain() -> bytes:
    """Return what one is told that asks without TLS."""
    details = ProblemDetails(
        type="about:blank",
        title="Bad Request",
        status=400,
        detail="this port speaks TLS: ask it by https://",
    )
    body = msgspec.json.encode(details)
    return (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, tls: Tls | None) -> None:
        super().__init__(config)
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin as uvicorn does, and listen as we do."""
        await super().startup([])
        made: Any = self.config.http_protocol_class
        state, shared = self.server_state, self.lifespan.state
        make = partial(made, config=self.config, server_state=state, app_state=shared)
        listener: Any = Listener(sockets or (), make, self._tls, called="API", plain=_plain())
        self.servers.append(listener)  # it is closed and waited for as those of asyncio are

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; first of all remove the files of sockets, while nobody else can have taken them."""
        for one in sockets or ():
            if one.family == socket.AF_UNIX:
                remove(one)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # signals are the business of the program
        yield

    def abort_connections(self) -> None:
        """Cut the connections that did not read their answers in time."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
