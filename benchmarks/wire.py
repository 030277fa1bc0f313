"""The module counts what connections cost the network, by the kernel's own counts for each."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from musterd.testing.servers import HOST

FRAME = 14 + 20 + 32
"""Ethernet, IPv4, and TCP with timestamps: in front of every segment, acknowledgements included."""

_COUNTS = struct.Struct("=120xQQII")  # of struct tcp_info: acked, received, segments out and in
TIMEOUT = 10.0


class Wire:
    """A `Wire` counts bytes of this process's connections to one port, both ways, from now on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._before = self._total()

    def used(self) -> int:
        """Return the bytes on the wire since this was made; all connections must still be open."""
        return self._total() - self._before

    def _total(self) -> int:
        return sum(map(_bytes, _connections(self._port)))


def _connections(port: int) -> Iterator[socket.socket]:
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(entry.readlink()).startswith("socket:") and _leads_to(int(entry.name), port):
                with socket.socket(fileno=os.dup(int(entry.name))) as connection:
                    yield connection


def _leads_to(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as one:
        internet = one.family in (socket.AF_INET, socket.AF_INET6)
        return internet and one.type is socket.SOCK_STREAM and one.getpeername()[1] == port


def _bytes(connection: socket.socket) -> int:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS.size)
    acknowledged, received, segments_out, segments_in = _COUNTS.unpack(info)
    return int(acknowledged + received + FRAME * (segments_out + segments_in))


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Hold ``count`` connections to a server of the memcached protocol, each used once."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((HOST, port), TIMEOUT))
            connection.sendall(b"version\r\n")
            connection.recv(100)
        yield
