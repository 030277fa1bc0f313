"""MariaDB by TLS: what is believed, what is refused and why, and that no password is sent where it is not."""

import asyncio
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from musterd.errors import ConfigError, ShardRefused, ShardUnavailable
from musterd.stores.mysql.schema import init_db
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url
from musterd.testing.authority import Authority
from musterd.testing.busy import in_time
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd.testing.secured import SecuredMariaDb
from tests.service.secured import beats_at, opened, refused_at, seen_at

CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"


@pytest.fixture(scope="module")
def signed(authority: Authority) -> Iterator[SecuredMariaDb]:
    """Run a server whose certificate has the name localhost, and not 127.0.0.1."""
    made = authority.issue("mariadb", "DNS:localhost")
    with SecuredMariaDb(made, authority.file, **MariaDb.cheap) as server:
        yield server


@pytest.fixture
def maria(signed: SecuredMariaDb) -> Iterator[MariaDatabase]:
    """Give a database of that server."""
    with signed.database() as database:
        yield database


def named(database: MariaDatabase, options: str = "") -> str:
    """Return the URL of a database by the name that the certificate has."""
    return database.url.replace("127.0.0.1", "localhost") + (f"?{options}" if options else "")


async def cipher_at(url: str) -> str:
    """Return what a connection is encrypted with; nothing where it is plain."""
    link = MySqlSession(parse_url(url), 5.0)
    try:
        async with link.session() as session:
            [(_, cipher)] = (await session.once(CIPHER)).rows
            return str(cipher)
    finally:
        link.close()


async def test_a_certificate_of_our_authority_is_believed_for_its_name(
    maria: MariaDatabase, authority: Authority
) -> None:
    url = named(maria, f"ssl_ca={authority.file}&charset=utf8")
    await init_db(url, 30.0)
    await beats_at(opened(url))
    assert await seen_at(opened(url)) == ["host-1"]
    assert await cipher_at(url)
    assert not await cipher_at(named(maria))


@pytest.mark.parametrize(
    ("host", "options", "why"),
    [
        ("127.0.0.1", "ssl_ca=OURS", "its certificate is refused: IP address mismatch"),
        ("127.0.0.1", "ssl_ca=OURS&ssl_verify_cert=1&ssl_verify_identity=1", "IP address mismatch"),
        ("localhost", "ssl_ca=THEIRS", "self-signed certificate in certificate chain"),
        ("localhost", "ssl_ca=THEIRS&ssl_verify_cert=true", "name its authority in ssl_ca"),
        ("localhost", "ssl=true", "its certificate is refused"),
    ],
)
async def test_a_certificate_is_refused_by_agents_and_coordinators(
    maria: MariaDatabase, authority: Authority, host: str, options: str, why: str
) -> None:
    files = options.replace("OURS", authority.file).replace("THEIRS", Authority("strangers").file)
    url = f"{maria.url.replace('127.0.0.1', host)}?{files}"
    for reason in await refused_at(opened(url)):
        assert why in reason


@pytest.mark.parametrize(
    "options",
    [
        "ssl_ca=OURS&ssl_check_hostname=false",
        "ssl_ca=OURS&ssl_verify_cert=true",
        "ssl_verify_cert=false",
        "ssl_mode=REQUIRED",
    ],
)
async def test_what_need_not_be_checked_is_not(
    maria: MariaDatabase, authority: Authority, options: str
) -> None:
    assert await cipher_at(f"{maria.url}?{options.replace('OURS', authority.file)}")


async def test_a_certificate_that_has_expired_is_refused(
    authority: Authority, servers: ExitStack
) -> None:
    expired = authority.issue("expired", "DNS:localhost", days=-1)
    server = servers.enter_context(SecuredMariaDb(expired, authority.file, **MariaDb.cheap))
    with server.database() as database:
        url = named(database, f"ssl_ca={authority.file}")
        for reason in await refused_at(opened(url)):
            assert reason == "its certificate is refused: certificate has expired"


async def test_a_server_without_tls_is_no_server_where_that_is_demanded(
    authority: Authority, servers: ExitStack
) -> None:
    server = servers.enter_context(MariaDb(**MariaDb.cheap))
    with server.database() as database:
        for options in (f"ssl_ca={authority.file}", "ssl_mode=REQUIRED"):
            for reason in await refused_at(opened(named(database, options))):
                assert reason.startswith("it speaks no TLS there, and the URL of the store demands")


async def test_a_server_that_takes_nothing_else_says_so_to_a_plain_client(
    authority: Authority, servers: ExitStack
) -> None:
    made = authority.issue("strict", "DNS:localhost")
    strict = {**MariaDb.cheap, "require-secure-transport": "on"}
    server = servers.enter_context(SecuredMariaDb(made, authority.file, **strict))
    with server.database() as database:
        for reason in await refused_at(opened(named(database))):
            assert "perhaps it takes TLS only: name its authority" in reason
            assert "?ssl_ca=FILE" in reason
        with pytest.raises(ShardRefused, match="ssl_ca=FILE"):
            await init_db(named(database), 30.0)
        url = named(database, f"ssl_ca={authority.file}")
        await init_db(url, 30.0)
        await beats_at(opened(url))


async def test_an_account_may_want_a_certificate_of_ours(
    signed: SecuredMariaDb, maria: MariaDatabase, authority: Authority
) -> None:
    user = f"{maria.name}_x"
    maria.execute(f"CREATE USER {user} IDENTIFIED BY 'pw' REQUIRE X509")
    maria.execute(f"GRANT ALL ON {maria.name}.* TO {user}")
    mine = authority.issue("agent")
    url = signed.url_of(maria.name, user, "pw").replace("127.0.0.1", "localhost")
    with_ours = f"{url}?ssl_ca={authority.file}&ssl_cert={mine.cert}&ssl_key={mine.key}"
    try:
        assert await cipher_at(with_ours)
        for reason in await refused_at(opened(f"{url}?ssl_ca={authority.file}")):
            assert "login refused" in reason
    finally:
        maria.execute(f"DROP USER {user}")


async def test_a_renewed_authority_is_taken_and_a_lost_one_said(
    maria: MariaDatabase, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("nothing")
    url = named(maria, f"ssl_ca={file}")
    with pytest.raises(ConfigError, match=r"ssl_ca: .* has no certificate in PEM"):
        opened(url)
    link = MySqlSession(parse_url(url), 5.0)
    try:
        with pytest.raises(ShardRefused, match="has no certificate in PEM"):
            await link.server()
        shutil.copy(authority.file, file)
        await link.server()
    finally:
        link.close()


async def test_a_password_is_sent_as_utf_8_and_never_shown(
    signed: SecuredMariaDb, maria: MariaDatabase, authority: Authority
) -> None:
    user, password = f"{maria.name}_u", "pä€word"
    maria.execute(f"CREATE USER {user} IDENTIFIED BY '{password}'")
    try:
        url = signed.url_of("information_schema", user, "p%C3%A4%E2%82%ACword")
        assert await cipher_at(f"{url}?ssl_ca={authority.file}&ssl_check_hostname=0")
        assert not await cipher_at(url)
    finally:
        maria.execute(f"DROP USER {user}")


@asynccontextmanager
async def false_server(*answers: bytes) -> AsyncIterator[tuple[str, bytearray]]:
    """Say this, each when something was said; yield a URL with a password, and all that was heard."""
    heard, gone = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for answer in answers:
                writer.write(answer)
                heard.extend(await reader.read(4096))
            heard.extend(await reader.read())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"mysql://nova:s3cret@localhost:{server.sockets[0].getsockname()[1]}/d", heard
        await gone.wait()


def greeting_of(server: MariaDb) -> bytes:
    """Return what a server says first: with TLS on offer, if it has that."""
    with socket.create_connection((server.host, server.port)) as client:
        head = client.recv(4, socket.MSG_WAITALL)
        return head + client.recv(struct.unpack("<I", head[:3] + b"\0")[0], socket.MSG_WAITALL)


async def test_one_that_greets_and_then_says_nothing_has_its_time(
    signed: SecuredMariaDb, authority: Authority
) -> None:
    """No socket is left behind, and nobody was named to it."""
    async with false_server(greeting_of(signed)) as (url, heard):
        link = MySqlSession(parse_url(f"{url}?ssl_ca={authority.file}"), 0.2, patient=False)
        with in_time(20), pytest.raises(ShardUnavailable, match="no answer within"):
            await link.server()
        link.close()
    assert heard
    assert b"nova" not in heard


@pytest.mark.parametrize("plugin", [b"mysql_clear_password\0", b"dialog\0\4Password: "])
async def test_one_that_asks_for_the_password_itself_does_not_get_it(
    signed: SecuredMariaDb, plugin: bytes
) -> None:
    """It may be anybody, where the connection is plain."""
    asked = b"\xfe" + plugin
    asked = struct.pack("<I", len(asked) | 2 << 24) + asked
    async with false_server(greeting_of(signed), asked) as (url, heard):
        link = MySqlSession(parse_url(url), 5.0)
        with pytest.raises(ShardRefused, match=r"in clear text, .* \?ssl_ca=FILE"):
            await link.server()
        link.close()
    assert b"nova" in heard
    assert b"s3cret" not in heard
