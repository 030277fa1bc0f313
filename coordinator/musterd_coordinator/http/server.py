"""uvicorn inside our own task group: no signals of its own, bounded requests, a bounded stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from musterd_coordinator.http.app import App
from musterd_coordinator.http.listen import bind, url_of

HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT = 10.0
KEEP_ALIVE = 75
UNREAD_TIMEOUT = 30.0
STOP_TIMEOUT = 1
CONNECTIONS_LIMIT = 4096


async def serve_http(
    app: App, listen: str, *, task_status: TaskStatus[list[str]] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Serve ``app`` on ``listen`` (``host:port`` or ``[::1]:port``) until cancelled.

    Reports the URLs that it answers at once it listens, with the real port where 0 was asked.
    Stops within about a second of being cancelled, whoever is still connected. Raises ConfigError
    if the address is not usable.
    """
    sockets = await bind(listen)
    server = _Server(_config(app))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, server, sockets)
        task_status.started([url_of(one) for one in sockets])
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


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_LIMIT,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_TIMEOUT,
    )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # signals are the business of whoever runs us
        yield

    def abort_connections(self) -> None:
        """Cut whoever did not read its answer in time."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Connection(HttpToolsProtocol):
    """Bounds what uvicorn leaves open: how long and how large the head of a request may be, and
    for how long an answer may stay unread."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _limit_unread(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        elif self._head_timer is None:
            self._start_head_timer()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def _refuse_head(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _limit_unread(transport: asyncio.Transport) -> None:
    # The kernel then ends a connection whose peer neither takes nor acknowledges what was sent.
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_TIMEOUT * 1000))
