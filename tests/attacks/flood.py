"""Clients of the HTTP port that mean no good: many, slow, silent, or insatiable."""

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice

from musterd.testing.processes import Server

SOURCE = "127.0.0.9"
"""Where most of this comes from: not from the address of those who mean well."""

SOURCES = [f"127.0.0.{last}" for last in range(9, 17)]
"""So many that the share of one address is no bound for all of them."""

KEEP_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def allow_descriptors(number: int) -> None:
    """Let this process have that many, as far as the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def idle_connections(
    server: Server,
    number: int,
    greeting: bytes = KEEP_ALIVE,
    sources: Sequence[str] = (SOURCE,),
    port: int | None = None,
) -> Iterator[None]:
    """Connections that ask once, or send what ``greeting`` says, and then stay."""
    allow_descriptors(number + 200)
    opened: list[socket.socket] = []
    try:
        for source in islice(cycle(sources), number):
            with suppress(OSError):
                client = server.connect(2.0, source=source, port=port)
                opened.append(client)
                client.setblocking(False)
                client.send(greeting)
        yield
    finally:
        for client in opened:
            client.close()


def half_a_body(length: int, sent: int) -> bytes:
    """The beginning of a POST that never ends."""
    head = (
        b"POST /v1/groups/compute/query HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
    )
    return head + b" " * sent


def request(server: Server, text: bytes, timeout: float = 5.0) -> bytes:
    """Send ``text`` and read the first piece of the answer; nothing when there is none."""
    with suppress(OSError), server.connect(timeout, source=SOURCE) as client:
        client.sendall(text)
        return client.recv(65536)
    return b""


def order(server: Server, member: str, body: bytes) -> bytes:
    """One PATCH of one member."""
    head = (
        b"PATCH /v1/groups/compute/members/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    return request(server, head % (member.encode(), len(body)) + body)
