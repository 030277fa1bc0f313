"""A client as Nova's: it asks a door, or a memcached, for one key after another."""

import socket
import ssl
from typing import Self

from musterd.testing.busy import allowed_now
from tests import binary_packets as p
from tests.binary_packets import HEADER, Reply, packet, replies


class NovaClient:
    """One connection, in both protocols' words. It waits for an answer no longer than is right."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(address, allowed_now(5.0))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._file = self.socket.makefile("rb")

    def get(self, key: bytes) -> bytes | None:
        self.ask(key)
        return self.answer()

    def ask(self, key: bytes) -> None:
        self.socket.sendall(b"get " + key + b"\r\n")

    def answer(self) -> bytes | None:
        line = self._file.readline()
        if line == b"END\r\n":
            return None
        assert line.startswith(b"VALUE "), line
        value = self._file.read(int(line.split()[3]) + 2)[:-2]
        assert self._file.readline() == b"END\r\n"
        return value

    def get_binary(self, key: bytes) -> bytes | None:
        reply = self.packet(packet(p.GET, key))
        return None if reply.status else reply.value

    def packet(self, order: bytes) -> Reply:
        self.socket.sendall(order)
        header = self._file.read(HEADER.size)
        [reply] = replies(header + self._file.read(HEADER.unpack(header)[6]))
        return reply

    def set(self, key: bytes, value: bytes, flags: int = 1) -> bytes:
        return self.say(b"set %b %d 0 %d\r\n%b" % (key, flags, len(value), value))

    def say(self, words: bytes) -> bytes:
        self.socket.sendall(words + b"\r\n")
        return self._file.readline().rstrip()

    def facts(self, kind: str = "musterd") -> dict[str, str]:
        self.socket.sendall(f"stats {kind}\r\n".encode())
        lines = iter(self._file.readline, b"END\r\n")
        return dict(line.decode().rstrip().split(" ", 2)[1:] for line in lines)

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
