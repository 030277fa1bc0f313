"""The embedded store and the relay by TLS: who is let in, and what the others are told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.streams.tls import TLSAttribute
from structlog.testing import capture_logs

from musterd.settings.settings import Settings
from musterd.stores.table.table import Table
from musterd.testing.authority import Authority, Certificate
from musterd.testing.busy import in_time
from musterd.tls import Tls, client_tls_of, own_tls, server_tls
from musterd_coordinator.doorway.listener import HandshakeLimits, Listener
from musterd_coordinator.doorway.sockets import listen_on
from musterd_coordinator.memcache.server import ClientLimits, MemcacheServer, serve
from tests.http_serving import until
from tests.service.secured import beats_at, opened, refused_at, seen_at


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """An agent's loop, and a coordinator's."""
    return "asyncio", {"use_uvloop": request.param}


def settings_of(made: Certificate, ca: str | None = None) -> Settings:
    return Settings(tls_cert_file=made.cert, tls_key_file=made.key, tls_client_ca_file=ca)


@asynccontextmanager
async def embedded(
    made: Certificate, ca: str | None = None, limits: ClientLimits | None = None
) -> AsyncIterator[MemcacheServer]:
    async with serve(
        "127.0.0.1", 0, Table(), limits, tls=server_tls(settings_of(made, ca))
    ) as server:
        yield server


async def test_agents_and_sweeps_meet_at_an_embedded_store(authority: Authority) -> None:
    async with embedded(authority.issue("store")) as server:
        store = opened(f"embedded+tls://127.0.0.1:{server.port}", client_tls_of(authority.file))
        await beats_at(store)
        assert await seen_at(store) == ["host-1"]
        await until(lambda: server.connections == 0)


async def test_a_coordinator_knows_its_own_store_whatever_its_certificate_says(
    authority: Authority,
) -> None:
    made = authority.issue("elsewhere", "DNS:elsewhere")
    async with embedded(made, authority.file) as server:
        store = opened(f"embedded+tls://0.0.0.0:{server.port}", own_tls(settings_of(made)))
        await beats_at(store)
        assert await seen_at(store) == ["host-1"]
        other = own_tls(settings_of(authority.issue("elsewhere-too", "DNS:elsewhere")))
        for reason in await refused_at(opened(f"embedded+tls://0.0.0.0:{server.port}", other)):
            assert "its certificate is refused" in reason


async def test_who_shows_no_certificate_or_a_strange_one_is_refused_and_named(
    authority: Authority,
) -> None:
    mine, strangers = authority.issue("agent"), Authority("strangers").issue("stranger")
    async with embedded(authority.issue("store"), authority.file) as server:
        url = f"embedded+tls://127.0.0.1:{server.port}"
        await beats_at(opened(url, client_tls_of(authority.file, mine.cert, mine.key)))
        with capture_logs() as logs:
            agent, _ = await refused_at(opened(url, client_tls_of(authority.file)))
        assert "perhaps it wants a certificate of ours (cert_file, key_file)" in agent
        assert [line["event"] for line in logs] == ["handshake failed"]
        assert logs[0]["reason"] == "it shows no certificate"
        await refused_at(opened(url, client_tls_of(authority.file, strangers.cert, strangers.key)))
        await until(lambda: server.connections == 0)


async def test_who_speaks_no_tls_is_told_so(authority: Authority) -> None:
    async with embedded(authority.issue("store")) as server:
        for reason in await refused_at(opened(f"embedded://127.0.0.1:{server.port}")):
            assert reason == "SERVER_ERROR this port speaks TLS: name the store embedded+tls://"


async def test_tls_where_there_is_none_is_named(authority: Authority) -> None:
    async with serve("127.0.0.1", 0, Table()) as server:
        url = f"embedded+tls://127.0.0.1:{server.port}"
        for reason in await refused_at(opened(url, client_tls_of(authority.file))):
            assert reason == "it speaks no TLS there"


async def test_a_client_that_is_cut_off_in_the_middle_takes_nothing_with_it(
    authority: Authority,
) -> None:
    """The loop's buffer is in use while the client's bytes are looked at."""
    limits = ClientLimits(waiting_bytes=1 << 16)
    async with embedded(authority.issue("store"), limits=limits) as server:
        flood = b"set k 0 0 1000000\r\n" + bytes(1 << 18)
        for _ in range(30):
            async with await anyio.connect_tcp(
                "127.0.0.1",
                server.port,
                ssl_context=client_tls_of(authority.file).context(),
                tls_standard_compatible=False,
            ) as client:
                with suppress(anyio.BrokenResourceError):
                    for _ in range(100):
                        await client.send(flood)
                    pytest.fail("it was not cut off")
        await until(lambda: server.connections == 0)
        store = opened(f"embedded+tls://127.0.0.1:{server.port}", client_tls_of(authority.file))
        await beats_at(store)


async def test_connections_are_limited_as_without_tls(authority: Authority) -> None:
    tls = client_tls_of(authority.file)
    async with embedded(authority.issue("store"), limits=ClientLimits(connections=2)) as server:
        connect = partial(anyio.connect_tcp, "127.0.0.1", server.port, ssl_context=tls.context())
        async with await connect() as first:
            await first.send(b"version\r\n")
            assert (await first.receive()).startswith(b"VERSION")
            async with await connect() as second:
                assert await second.receive() == b"ERROR Too many open connections\r\n"


async def test_certificates_are_renewed_while_clients_come_and_go(authority: Authority) -> None:
    """No connection fails meanwhile, and the last ones see the newest certificate."""
    made = authority.issue("renewing")
    tls = server_tls(settings_of(made))
    assert tls is not None
    over = False
    seen: set[bytes] = set()

    async def keep_coming(port: int) -> None:
        context = client_tls_of(authority.file).context()
        while not over:
            async with await anyio.connect_tcp("127.0.0.1", port, ssl_context=context) as client:
                await client.send(b"version\r\n")
                assert (await client.receive()).startswith(b"VERSION")
                seen.add(client.extra(TLSAttribute.peer_certificate_binary) or b"")

    async with (
        serve("127.0.0.1", 0, Table(), tls=tls) as server,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(3):
            tasks.start_soon(keep_coming, server.port)
        for renewals in range(2, 6):
            await anyio.to_thread.run_sync(authority.renew, made)
            tls.look()
            await until(lambda least=renewals: len(seen) >= least)  # type: ignore[misc]
        over = True


@asynccontextmanager
async def listening(tls: Tls, limits: HandshakeLimits) -> AsyncIterator[tuple[Listener, int]]:
    """Listen for clients that never come as far as a protocol; give the port, too."""
    sockets = listen_on(["127.0.0.1"], 0, 100)
    listener = Listener(sockets, asyncio.Protocol, tls, called="test", limits=limits)
    try:
        yield listener, sockets[0].getsockname()[1]
    finally:
        listener.close()
        await listener.wait_closed()


def client_of(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 5.0)


async def hung_up(client: socket.socket) -> None:
    """Wait until the other side hung up."""
    client.setblocking(False)
    with client, in_time(5):
        await anyio.wait_readable(client)
        with suppress(ConnectionResetError):
            assert client.recv(100) == b""


async def test_handshakes_end_in_time_and_are_limited_for_each_address(
    authority: Authority,
) -> None:
    tls = server_tls(settings_of(authority.issue("slow")))
    assert tls is not None
    limits = HandshakeLimits(total=4, each=2, seconds=0.3)
    with capture_logs() as logs:
        async with listening(tls, limits) as (listener, port):
            # All wait to be accepted before the listener takes any: so the first two still shake hands.
            silent, beginning, third = client_of(port), client_of(port), client_of(port)
            beginning.send(b"\x16\x03\x01")
            await hung_up(third)
            await hung_up(silent)
            await hung_up(beginning)
            await until(lambda: not listener.shaking)
    assert [line["event"] for line in logs] == ["handshakes refused", "handshake failed"]


async def test_who_shakes_hands_is_hung_up_on_in_the_end(authority: Authority) -> None:
    tls = server_tls(settings_of(authority.issue("ending")))
    assert tls is not None
    async with listening(tls, HandshakeLimits()) as (listener, port):
        client = client_of(port)
        await until(lambda: listener.shaking)
    await hung_up(client)


async def test_others_wait_while_too_many_shake_hands(authority: Authority) -> None:
    tls = server_tls(settings_of(authority.issue("full")))
    assert tls is not None
    limits = HandshakeLimits(total=1, each=1, seconds=0.2)
    with capture_logs() as logs:
        async with listening(tls, limits) as (_, port):
            first, second = client_of(port), client_of(port)
            await hung_up(first)
            await hung_up(second)
    assert {line["event"] for line in logs} == {"handshake failed"}  # and none was refused
