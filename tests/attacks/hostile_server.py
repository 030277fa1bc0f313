"""A memcached that is none: it takes every store order and answers every read without end."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from musterd.testing.processes import HOST

CHUNK = b"VALUE musterd:m:00000001 0 1000000\r\n" + b"x" * 1_000_000 + b"\r\n"


class EndlessServer:
    """Listens on a loopback port of its own; ``chunk`` is what it repeats to whoever reads.

    With ``tls`` it has the certificate of a good one, too.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, chunk: bytes = CHUNK) -> None:
        self._tls = tls
        self._listener = socket.create_server((HOST, 0))
        self._chunk = chunk
        self.address = "{}:{}".format(*self._listener.getsockname()[:2])
        self.sent = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError), client, self._through_locks(client) as within:
            lines = within.makefile("rb")
            while line := lines.readline():
                self._answer(within, lines.read, line.split())

    def _through_locks(self, client: socket.socket) -> socket.socket:
        client.settimeout(20.0)
        return self._tls.wrap_socket(client, server_side=True) if self._tls else client

    def _answer(
        self, client: socket.socket, read: Callable[[int], bytes], words: list[bytes]
    ) -> None:
        match words:
            case [b"set" | b"add" | b"replace" | b"cas", _, _, _, length, *_]:
                read(int(length) + 2)
                client.sendall(b"STORED\r\n")
            case [b"get" | b"gets", *_]:
                while True:
                    client.sendall(self._chunk)
                    self.sent += len(self._chunk)
            case [b"incr", *_]:
                client.sendall(b"600\r\n")
            case _:
                client.sendall(b"OK\r\n")
