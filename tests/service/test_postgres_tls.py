"""PostgreSQL by TLS: what init-db prints is checked against our own authority, and a wrong name is not."""

from contextlib import ExitStack

import pytest

from musterd.cli.init_db import urls_to_use
from musterd.errors import StoreError
from musterd.settings.settings import Settings
from musterd.stores.postgres.schema import init_db
from musterd.testing.authority import Authority
from musterd.testing.secured import SecuredPostgres
from musterd.testing.servers import Database
from musterd.tls import client_tls_of
from musterd_coordinator.relay.service import running
from tests.service.secured import (
    HOST,
    NAMESPACE,
    beat,
    beats_at,
    opened,
    refused_at,
    seen_at,
)


async def test_a_certificate_of_our_authority_is_believed_for_its_name(
    authority: Authority, servers: ExitStack
) -> None:
    made = authority.issue("postgres", "DNS:localhost")
    server = servers.enter_context(SecuredPostgres(made, **SecuredPostgres.cheap))
    with server.database() as database:
        named = database.dsn.replace("127.0.0.1", "localhost")
        checked = f"sslmode=verify-full&sslrootcert={authority.file}"
        await init_db(f"{named}?{checked}", 30.0)
        store = opened(f"{named}?{checked}")
        await beats_at(store)
        assert await seen_at(store) == ["host-1"]
        strangers = Authority("strangers").file
        for url, words in (
            (f"{database.dsn}?{checked}", "127.0.0.1"),
            (f"{named}?sslmode=verify-full&sslrootcert={strangers}", "certificate verify failed"),
        ):
            for reason in await refused_at(opened(url)):
                assert words in reason


async def test_agents_beat_to_a_relay_by_tls(authority: Authority, ready: Database) -> None:
    made, mine = authority.issue("relay"), authority.issue("agent")
    settings = Settings(
        store=ready.dsn,
        namespace=NAMESPACE,
        relay_listen="127.0.0.1:0",
        relay_period=0.01,
        tls_cert_file=made.cert,
        tls_key_file=made.key,
        tls_client_ca_file=authority.file,
    )
    async with running(settings) as relay:
        url = f"relay+tls://{relay.server.address}"
        writer = opened(url, client_tls_of(authority.file, mine.cert, mine.key)).writer(0)
        await writer.announce(HOST)
        assert await writer.beat(beat())
        await writer.aclose()
        assert await seen_at(opened(ready.dsn)) == ["host-1"]
        for store, words in (
            (
                opened(f"relay://{relay.server.address}"),
                "this port speaks TLS: name the store relay",
            ),
            (opened(url, client_tls_of(authority.file)), "perhaps it wants a certificate of ours"),
        ):
            stranger = store.writer(0)
            with pytest.raises(StoreError, match=words):
                await stranger.announce(HOST)
            await stranger.aclose()


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        (
            "postgresql://musterd:secret@db1:5432/fleet",
            [
                "owner: postgresql://musterd@db1:5432/fleet?CHECKED",
                "agents: postgresql://musterd_agents@db1:5432/fleet?CHECKED",
            ],
        ),
        (
            "postgresql://db1,db2/fleet?sslmode=require&sslrootcert=/ca",
            ["agents: postgresql://musterd_agents@db1,db2/fleet?sslmode=require&sslrootcert=/ca"],
        ),
        ("postgresql://musterd:secret@127.0.0.1:5432/fleet", []),
        ("postgresql://musterd@localhost/fleet", []),
        ("postgresql://musterd@[::1]:5432/fleet", []),
        ("postgresql:///fleet", []),
    ],
)
def test_init_db_says_how_the_server_is_checked(url: str, lines: list[str]) -> None:
    checked = "sslmode=verify-full&sslrootcert=/etc/musterd/ca.crt"
    wanted = [line.replace("CHECKED", checked) for line in lines]
    found = urls_to_use(url, {"agents": "musterd_agents"}, "/etc/musterd/ca.crt")
    assert list(found) == wanted
