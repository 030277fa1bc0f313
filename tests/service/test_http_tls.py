"""The API by TLS: asked by every kind of client, renewed under load, and plain words for mistakes."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from musterd.client import AsyncClient, Client, Replica
from musterd.errors import ConfigError, CoordinatorError, CoordinatorUnreachable
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority, Certificate
from musterd.testing.busy import in_time
from musterd.tls import Tls, server_tls
from musterd_coordinator.http import make_app
from musterd_coordinator.http.limits import HttpLimits
from tests.http_desk import DictDesk
from tests.http_serving import served, served_app, until

Files = dict[str, str]
Ask = Callable[..., Awaitable[int]]
PATIENCE = 10.0


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Serve on asyncio's own loop and on a coordinator's."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def desk() -> DictDesk:
    """Two members."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"))
    return desk


def tls_of(made: Certificate, ca: str | None = None) -> Tls:
    tls = server_tls(
        Settings(tls_cert_file=made.cert, tls_key_file=made.key, tls_client_ca_file=ca)
    )
    assert tls is not None
    return tls


def shown(made: Certificate) -> Files:
    return {"cert_file": made.cert, "key_file": made.key}


async def by_plain(url: str, **files: str) -> int:
    def ask() -> int:
        with Client(url, PATIENCE, **files) as client:
            return len(list(client.members("compute")))

    return await anyio.to_thread.run_sync(ask)


async def by_async(url: str, **files: str) -> int:
    async with AsyncClient(url, PATIENCE, **files) as client:
        return len([member async for member in client.members("compute")])


async def by_replica(url: str, ca_file: str) -> int:
    async with Replica(url, "compute", ca_file=ca_file) as replica:
        with in_time(PATIENCE):
            await replica.wait_ready()
        return len(replica.up())


async def test_every_kind_of_client_asks_by_tls(desk: DictDesk, authority: Authority) -> None:
    async with served(desk, tls=tls_of(authority.issue("api"))) as url:
        assert url.startswith("https://127.0.0.1:")
        named = url.replace("127.0.0.1", "localhost")
        for ask in (by_plain, by_async, by_replica):
            assert await ask(url, ca_file=authority.file) == 2
            assert await ask(named, ca_file=authority.file) == 2


@pytest.mark.parametrize("ask", [by_plain, by_async])
async def test_a_coordinator_with_a_wrong_certificate_is_not_asked(
    ask: Ask, desk: DictDesk, authority: Authority
) -> None:
    strangers = Authority("strangers")
    for made, words in (
        (authority.issue("late", days=-1), "its certificate is refused: certificate has expired"),
        (authority.issue("elsewhere", "DNS:elsewhere"), "not valid for '127.0.0.1'"),
        (strangers.issue("strange"), "unable to get local issuer certificate; name its authority"),
    ):
        async with served(desk, tls=tls_of(made)) as url:
            with pytest.raises(CoordinatorUnreachable) as caught:
                await ask(url, ca_file=authority.file)
        assert words.lower() in str(caught.value).lower()


@pytest.mark.parametrize("ask", [by_plain, by_async])
async def test_an_authority_that_the_system_does_not_know_is_refused(
    ask: Ask, desk: DictDesk, authority: Authority
) -> None:
    async with served(desk, tls=tls_of(authority.issue("api"))) as url:
        with pytest.raises(CoordinatorUnreachable, match="name its authority in ca_file"):
            await ask(url)


@pytest.mark.parametrize("ask", [by_plain, by_async])
async def test_a_client_shows_its_certificate(
    ask: Ask, desk: DictDesk, authority: Authority
) -> None:
    strangers = Authority("strangers").issue("stranger")
    async with served(desk, tls=tls_of(authority.issue("api"), authority.file)) as url:
        mine = shown(authority.issue("scheduler"))
        assert await ask(url, ca_file=authority.file, **mine) == 2
        for files in ({}, shown(strangers), shown(authority.issue("late", days=-1))):
            with pytest.raises(CoordinatorUnreachable, match="perhaps it wants a certificate"):
                await ask(url, ca_file=authority.file, **files)


@pytest.mark.parametrize("ask", [by_plain, by_async])
async def test_who_asks_without_tls_is_told_so(
    ask: Ask, desk: DictDesk, authority: Authority
) -> None:
    async with served(desk, tls=tls_of(authority.issue("api"))) as url:
        with pytest.raises(CoordinatorError, match="this port speaks TLS: ask it by https://"):
            await ask(url.replace("https:", "http:"))


@pytest.mark.parametrize("ask", [by_plain, by_async])
async def test_who_asks_by_tls_where_there_is_none_is_told_so(
    ask: Ask, desk: DictDesk, authority: Authority
) -> None:
    async with served(desk) as url:
        with pytest.raises(CoordinatorUnreachable, match="it speaks no TLS there"):
            await ask(url.replace("http:", "https:"), ca_file=authority.file)


def test_files_that_cannot_be_used_are_named_at_once() -> None:
    for make in (Client, AsyncClient, partial(Replica, group="compute")):
        with pytest.raises(ConfigError, match="ca_file: cannot read /missing"):
            make("https://127.0.0.1:1", ca_file="/missing")
        make("http://127.0.0.1:1", ca_file="/missing")


async def test_an_old_tls_is_refused(desk: DictDesk, authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with served(desk, tls=tls_of(authority.issue("api"))) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises((anyio.BrokenResourceError, ssl.SSLError, anyio.EndOfStream)):
            await anyio.connect_tcp("127.0.0.1", port, ssl_context=context)


async def test_another_name_is_refused_by_tls_too(desk: DictDesk, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    async with served(desk, tls=tls_of(authority.issue("api"))) as url:
        port = int(url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port, ssl_context=context) as client:
            await client.send(b"GET /v1/groups HTTP/1.1\r\nHost: evil.example.org\r\n\r\n")
            assert (await client.receive()).startswith(b"HTTP/1.1 421 Misdirected Request\r\n")


async def test_connections_are_limited_by_tls_too(desk: DictDesk, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    app = make_app(desk, limits=HttpLimits(connections=1))
    async with served_app(app, "127.0.0.1:0", tls=tls_of(authority.issue("api"))) as url:
        connect = partial(
            anyio.connect_tcp, "127.0.0.1", int(url.rpartition(":")[2]), ssl_context=context
        )
        async with await connect() as first, await connect() as second:
            await second.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await second.receive()).startswith(b"HTTP/1.1 200 OK\r\n")
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await first.receive()  # it was idle, and made room


async def test_who_made_room_keeps_no_file_open_by_never_saying_goodbye(
    desk: DictDesk, authority: Authority
) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    app = make_app(desk, limits=HttpLimits(connections=1))
    async with served_app(app, "127.0.0.1:0", tls=tls_of(authority.issue("api"))) as url:
        port = int(url.rpartition(":")[2])
        with await anyio.to_thread.run_sync(silent_caller, port, context) as silent:
            async with await anyio.connect_tcp("127.0.0.1", port, ssl_context=context):
                await anyio.to_thread.run_sync(read_to_the_end, silent)


def silent_caller(port: int, context: ssl.SSLContext) -> socket.socket:
    """One that shook hands by TLS and then neither reads nor says anything: its bare socket."""
    plain = socket.create_connection(("127.0.0.1", port), 10.0)
    within = context.wrap_socket(plain, server_hostname="127.0.0.1")
    return socket.socket(fileno=within.detach())


def read_to_the_end(bare: socket.socket) -> None:
    """Fails long before a head that never comes, or a goodbye by TLS that does not, ends the connection."""
    bare.settimeout(5.0)
    with suppress(ConnectionResetError):
        while bare.recv(4096):
            pass


async def test_nobody_fails_while_certificates_are_renewed(
    desk: DictDesk, authority: Authority
) -> None:
    made = authority.issue("renewing")
    tls, asked, over = tls_of(made), 0, False

    async def keep_asking(url: str) -> None:
        nonlocal asked
        while not over:
            assert await by_async(url, ca_file=authority.file) == 2
            asked += 1

    async with served(desk, tls=tls) as url, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(keep_asking, url)
        for _ in range(4):
            before = asked
            await anyio.to_thread.run_sync(authority.renew, made)
            tls.look()
            await until(lambda least=before + 6: asked >= least, 20.0)  # type: ignore[misc]
        over = True


async def test_a_client_takes_its_own_renewed_certificate(
    desk: DictDesk, authority: Authority
) -> None:
    mine = authority.issue("scheduler", days=-1)
    async with served(desk, tls=tls_of(authority.issue("api"), authority.file)) as url:
        with Client(url, PATIENCE, ca_file=authority.file, **shown(mine)) as client:
            ask = partial(anyio.to_thread.run_sync, client.groups)
            with pytest.raises(CoordinatorUnreachable):
                await ask()
            authority.renew(mine)
            transport: Any = client._transport
            transport._tls.look()
            assert len((await ask()).groups) == 1


async def test_it_stops_in_time_with_clients_by_tls(desk: DictDesk, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    with in_time(10):
        async with served(desk, tls=tls_of(authority.issue("api"))) as url:
            port = int(url.rpartition(":")[2])
            client = await anyio.connect_tcp("127.0.0.1", port, ssl_context=context)
            silent = await anyio.connect_tcp("127.0.0.1", port)
    await client.aclose()
    await silent.aclose()
