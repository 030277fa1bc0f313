"""memcached by TLS and with passwords, as a platform runs it: the real one, for agents and sweeps."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from musterd.testing import CuttingProxy
from musterd.testing.authority import Authority
from musterd.testing.proxy import Inside
from musterd.testing.secured import SecuredMemcached
from musterd.testing.servers import Memcached
from musterd.tls import Tls, client_tls_of
from tests.service.secured import beats_at, opened, refused_at, seen_at

Start = Callable[..., SecuredMemcached]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """An agent's loop, and a coordinator's."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def start(servers: ExitStack) -> Start:
    """Start a memcached behind locks."""
    return lambda **locks: servers.enter_context(SecuredMemcached("-m", "16", "-t", "1", **locks))


def trusting(authority: Authority) -> Tls:
    return client_tls_of(authority.file)


async def test_agents_and_sweeps_speak_tls(authority: Authority, start: Start) -> None:
    server = start(certificate=authority.issue("memcached"))
    for host in ("127.0.0.1", "localhost"):
        store = opened(f"memcached+tls://{host}:{server.port}", trusting(authority))
        await beats_at(store)
        assert await seen_at(store) == ["host-1"]


async def test_they_log_in_by_tls(authority: Authority, start: Start) -> None:
    server = start(certificate=authority.issue("memcached"), passwords={"fleet": "p@ss:w/rd"})
    store = opened(f"memcached+tls://fleet:p%40ss:w/rd@{server.address}", trusting(authority))
    await beats_at(store)
    assert await seen_at(store) == ["host-1"]


async def test_a_proxy_that_has_the_certificate_treats_what_tls_hides(
    authority: Authority, start: Start
) -> None:
    made = authority.issue("memcached")
    server = start(certificate=made, passwords={"fleet": "secret"})
    inside = Inside(made.serving(), made.trusting())
    async with CuttingProxy(server.host, server.port, inside=inside) as proxy:
        store = opened(server.url.replace(server.address, proxy.address), trusting(authority))
        await beats_at(store)
        assert await seen_at(store) == ["host-1"]
        proxy.replies.change(lambda chunk: chunk.replace(b"STORED", b"STIRRED"))
        for reason in await refused_at(store):
            assert "STIRRED" in reason


def test_a_tests_own_connection_passes_the_locks(authority: Authority, start: Start) -> None:
    server = start(certificate=authority.issue("memcached"), passwords={"fleet": "p@ss"})
    with server.connect() as connection:
        connection.sendall(b"set a 0 0 1\r\nb\r\n")
        assert connection.recv(100) == b"STORED\r\n"


async def test_they_log_in_without_tls_too(start: Start) -> None:
    store = opened(f"memcached://fleet:secret@{start(passwords={'fleet': 'secret'}).address}")
    await beats_at(store)
    assert await seen_at(store) == ["host-1"]


async def test_a_wrong_password_is_named_and_not_shown(start: Start) -> None:
    server = start(passwords={"fleet": "secret"})
    for reason in await refused_at(opened(f"memcached://fleet:hunter2@{server.address}")):
        assert reason.startswith("CLIENT_ERROR ")
        assert reason.endswith(": it refuses the user and password of the store's URL")


async def test_no_password_is_refused_where_there_must_be_one(start: Start) -> None:
    server = start(passwords={"fleet": "secret"})
    for reason in await refused_at(opened(f"memcached://{server.address}")):
        assert reason == "CLIENT_ERROR unauthenticated"


async def test_a_server_without_passwords_keeps_none(memcached: Memcached) -> None:
    await beats_at(opened(f"memcached://fleet:secret@{memcached.address}"))
    other = opened(f"memcached://{memcached.address}").writer(0)
    try:
        lanes: Any = other
        assert await lanes._shard.gets(b"musterd:login") == (None, 0)
    finally:
        await other.aclose()


async def test_a_certificate_of_our_own_is_shown(authority: Authority, start: Start) -> None:
    made = authority.issue("memcached")
    server = start(certificate=made, client_ca=authority.file)
    mine = authority.issue("agent")
    store = opened(
        f"memcached+tls://{server.address}", client_tls_of(authority.file, mine.cert, mine.key)
    )
    await beats_at(store)
    assert await seen_at(store) == ["host-1"]
    strangers = Authority("strangers").issue("stranger")
    for tls in (
        trusting(authority),
        client_tls_of(authority.file, strangers.cert, strangers.key),
    ):
        await refused_at(opened(f"memcached+tls://{server.address}", tls))


async def test_a_server_whose_certificate_is_wrong_is_refused(
    authority: Authority, start: Start
) -> None:
    expired = start(certificate=authority.issue("late", days=-1))
    elsewhere = start(certificate=authority.issue("elsewhere", "DNS:elsewhere"))
    strange = start(certificate=Authority("strangers").issue("strange"))
    for server, words in (
        (expired, "its certificate is refused: certificate has expired"),
        (elsewhere, "not valid for '127.0.0.1'"),
        (strange, "its certificate is refused: unable to get local issuer certificate; name its"),
    ):
        store = opened(f"memcached+tls://{server.address}", trusting(authority))
        for reason in await refused_at(store):
            assert words in reason


async def test_tls_where_there_is_none_and_the_reverse(
    authority: Authority, start: Start, memcached: Memcached
) -> None:
    plain = opened(f"memcached+tls://{memcached.address}", trusting(authority))
    for reason in await refused_at(plain):
        assert reason == "it speaks no TLS there"
    secured = start(certificate=authority.issue("memcached"))
    await refused_at(opened(f"memcached://{secured.address}"))
