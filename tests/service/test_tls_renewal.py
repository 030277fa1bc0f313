"""Certificates of a coordinator and a relay are renewed while dozens of clients ask: nobody notices."""

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from musterd.testing import keeper
from musterd.testing.authority import Authority, Certificate
from musterd.testing.daemons import Coordinator, Daemon, Relay
from musterd.testing.servers import Database
from musterd.tls import client_tls_of
from tests.http_serving import until

CLIENTS = 12  # of each kind, at each door
RENEWALS = 2
PATIENCE = 20.0


class Door(NamedTuple):
    """A daemon that listens, what it is asked, and how its answer begins and ends."""

    daemon: Daemon
    question: bytes
    begin: bytes
    end: bytes


@pytest.fixture
def made(authority: Authority) -> Certificate:
    return authority.issue("renewing")


@pytest.fixture
def doors(made: Certificate, authority: Authority, ready: Database) -> Iterator[list[Door]]:
    files = {"tls_cert_file": made.cert, "tls_key_file": made.key}
    with (
        Coordinator(ready.dsn, ca_file=authority.file, **files) as coordinator,
        Relay(ready.dsn, **files) as relay,
    ):
        ask = f"GET /v1/groups HTTP/1.1\r\nHost: {coordinator.address}\r\n\r\n".encode()
        yield [
            Door(coordinator, ask, b"HTTP/1.1 200", b"}"),
            Door(relay, b"get fleet:e\r\n", b"END", b"\r\n"),
        ]


class Clients:
    """Clients of one door: some keep their connection, the others come anew for each question."""

    def __init__(self, door: Door, context: ssl.SSLContext) -> None:
        self._door = door
        self._context = context
        self.asked = [0] * CLIENTS  # by who keeps its connection
        self.seen: list[bytes] = []  # certificates, as connections were made
        self.over = False

    async def keep(self, number: int) -> None:
        """Ask on one connection until it is over."""
        async with await self._connect() as stream:
            while not self.over:
                await self._ask(stream)
                self.asked[number] += 1

    async def come(self) -> None:
        """Ask on one connection after the other until it is over."""
        while not self.over:
            await self.ask_once()

    async def ask_once(self) -> bytes:
        """Ask on a new connection; return the certificate that it is shown."""
        async with await self._connect() as stream:
            await self._ask(stream)
            shown = stream.extra(TLSAttribute.peer_certificate_binary) or b""
        self.seen.append(shown)
        return shown

    async def all_asked_again(self) -> None:
        """Wait until each of those that keep their connection asked once more."""
        before = list(self.asked)
        await until(lambda: all(map(int.__lt__, before, self.asked)), PATIENCE)

    async def _connect(self) -> ByteStream:
        daemon = self._door.daemon
        return await anyio.connect_tcp(
            *(daemon.host, daemon.port),
            ssl_context=self._context,
            tls_standard_compatible=False,
        )

    async def _ask(self, stream: ByteStream) -> None:
        answer = b""
        await stream.send(self._door.question)
        while not answer.endswith(self._door.end):
            answer += await stream.receive()
        assert answer.startswith(self._door.begin)


def in_force(made: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(made.cert).read_text())


async def test_nobody_notices_that_certificates_are_renewed(
    doors: list[Door], made: Certificate, authority: Authority
) -> None:
    context = client_tls_of(authority.file).context()
    crowds = [Clients(door, context) for door in doors]
    shown = [in_force(made)]
    async with anyio.create_task_group() as tasks:
        for crowd in crowds:
            for number in range(CLIENTS):
                tasks.start_soon(crowd.keep, number)
                tasks.start_soon(crowd.come)
        for _ in range(RENEWALS):
            await anyio.to_thread.run_sync(authority.renew, made)
            shown.append(in_force(made))
            for door in doors:
                keeper.send(door.daemon.pid, signal.SIGHUP)
            for crowd in crowds:
                await until(lambda seen=crowd.seen: shown[-1] in seen, PATIENCE)  # type: ignore[misc]
                assert await crowd.ask_once() == shown[-1]
                await crowd.all_asked_again()
        for crowd in crowds:
            crowd.over = True
    assert [set(crowd.seen) for crowd in crowds] == 2 * [set(shown)]
