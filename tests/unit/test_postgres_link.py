"""URLs of PostgreSQL, and what is made of the driver's errors."""

import asyncio
import gc
import re
import socket
import ssl
from pathlib import Path

import asyncpg
import pytest
from asyncpg.connect_utils import TLSUpgradeProto
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Beat
from musterd.errors import ConfigError, ShardCorrupt, ShardRefused, ShardUnavailable
from musterd.stores import open_store
from musterd.stores.link import NotWritable, RefusesAll
from musterd.stores.named_loop import NamedLoop
from musterd.stores.postgres.errors import translate
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.stores.rowwriter import namespace_key, signed
from musterd.testing.busy import in_time
from musterd_coordinator.sweep.base import open_reader

BASE = "postgresql://user:s3cret@"


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("db1/fleet", "db1:5432/fleet"),
        ("db1:6432/fleet", "db1:6432/fleet"),
        ("db1,db2:6432/fleet?sslmode=require", "db1:5432,db2:6432/fleet"),
        ("[::1]:5433/fleet", "[::1]:5433/fleet"),
        ("/fleet?host=/run/postgresql", "/run/postgresql/fleet"),
        ("/fleet", "local/fleet"),
        ("db1/my%20fleet", "db1:5432/my fleet"),
    ],
)
def test_shards_are_named_after_host_and_database(rest: str, name: str) -> None:
    store = open_store(BASE + rest, namespace="n", timeout=1, beat_ttl=1)
    assert store.shard_names == (name,)
    assert store.replicas == 1
    assert "s3cret" not in repr(store)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("db1", "names no database"),
        ("db1/", "names no database"),
        ("db1:x/fleet", "a host that is no host"),
        ("db1:99999/fleet", "a host that is no host"),
        ("db1/fleet?connect_timeout=3", "option 'connect_timeout' is not one of"),
        ("db1/fleet?sslmode=maybe", "sslmode 'maybe' is not one of"),
        ("db1/fleet?target_session_attrs=best", "target_session_attrs 'best' is not one of"),
        ("db1/fleet?sslrootcert=/no/such.crt", "sslrootcert '/no/such.crt' is no file"),
        ("db1/fleet?sslmode", "not well formed"),
        ("db1/fleet#x", "mean something else"),
    ],
)
def test_unusable_urls_are_refused(rest: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        parse_url(BASE + rest)
    assert "s3cret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text("ab/?#@:%=&[],; ", max_size=12))
def test_no_part_of_an_unescaped_password_is_shown(secret: str) -> None:
    # Whatever is left of a password that ends the login early must be refused, not shown.
    url = f"postgresql://user:Zq9{secret}Zq9@db1/fleet"
    try:
        target = parse_url(url)
        shown = target.name + target.url + repr(target)
    except ConfigError as error:
        shown = str(error)
    assert "Zq9" not in shown


def test_hosts_take_turns() -> None:
    target = parse_url("postgresql://user:p%40ss@a,b:6000,c/fleet?sslmode=disable")
    hosts = [re.findall(r"@(.*)/fleet\?sslmode=disable", target.dsn(turn)) for turn in range(4)]
    assert hosts == [["a,b:6000,c"], ["b:6000,c,a"], ["c,a,b:6000"], ["a,b:6000,c"]]
    sockets = parse_url("postgresql:///fleet?host=/a,/b")
    assert [sockets.dsn(turn).partition("?")[2].partition("&")[0] for turn in range(2)] == [
        "host=/a,/b",
        "host=/b,/a",
    ]


def test_of_several_hosts_the_primary_is_meant_unless_the_url_says_otherwise() -> None:
    several = parse_url("postgresql://u@a,b/f", {})
    assert several.dsn(0).endswith("?target_session_attrs=primary")
    assert parse_url("postgresql://u@a/f").dsn(0) == "postgresql://u@a/f"
    told = "postgresql://u@a,b/f?target_session_attrs=any"
    assert parse_url(told).dsn(0) == told
    several = parse_url("postgresql://u@a,b/f", {"PGTARGETSESSIONATTRS": "any"})
    assert several.dsn(0).endswith("?target_session_attrs=any")


def test_options_reach_asyncpg(tmp_path: Path) -> None:
    passfile = tmp_path / "passfile"
    passfile.touch()
    url = f"postgresql://u@h/fleet?passfile={passfile}&target_session_attrs=primary"
    assert parse_url(url).dsn(0) == url


def test_opening_a_store_connects_to_nothing() -> None:
    store = open_store("postgresql://u@192.0.2.1/fleet", namespace="n", timeout=1, beat_ttl=1)
    store.writer(0)
    open_reader(store, 0, "c")


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (TimeoutError(), ShardUnavailable, "no answer within 2 s"),
        (ConnectionRefusedError(111, "Connect call failed"), ShardUnavailable, "refused"),
        (ConnectionResetError(104, "x"), ShardUnavailable, "Connection reset by peer"),
        (ConnectionError("unexpected connection_lost()"), ShardUnavailable, "connection_lost"),
        (socket.gaierror(-2, "Name unknown"), ShardUnavailable, "host name not found"),
        (ssl.SSLError(1, "[SSL] wrong version number"), ShardUnavailable, "wrong version"),
        (asyncpg.TooManyConnectionsError("too many clients"), ShardRefused, "too many clients"),
        (asyncpg.InvalidPasswordError("no"), ShardRefused, "no"),
        (asyncpg.CannotConnectNowError("starting up"), ShardUnavailable, "starting up"),
        (asyncpg.AdminShutdownError("terminating"), ShardUnavailable, "terminating"),
        (asyncpg.ConnectionDoesNotExistError("closed"), ShardUnavailable, "closed"),
        (asyncpg.QueryCanceledError("statement timeout"), ShardUnavailable, "within 2 s"),
        (asyncpg.LockNotAvailableError("lock timeout"), ShardUnavailable, "within 2 s"),
        (asyncpg.UndefinedTableError("relation"), RefusesAll, "musterd init-db"),
        (asyncpg.UndefinedFunctionError("function"), RefusesAll, "musterd init-db"),
        (asyncpg.InvalidSchemaNameError("schema"), RefusesAll, "musterd init-db"),
        (asyncpg.InsufficientPrivilegeError("denied"), RefusesAll, "init-db --print"),
        (asyncpg.ReadOnlySQLTransactionError("standby"), NotWritable, "^standby$"),
        (asyncpg.DiskFullError("disk\nDETAIL: x"), ShardRefused, "^disk$"),
        (asyncpg.InterfaceError("connection is closed"), ShardUnavailable, "closed"),
        (asyncpg.InternalClientError("unexpected"), ShardUnavailable, "connection lost"),
        (asyncpg.ClientConfigurationError("bad"), ShardRefused, "bad"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), ShardCorrupt, "unreadable answer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_driver_become_ours(
    error: Exception, kind: type[Exception], reason: str
) -> None:
    translated = translate("db1:5432/fleet", error, 2)
    assert type(translated) is kind
    assert translated is not None
    assert re.search(reason, translated.reason)


async def test_errors_of_our_own_are_not_disguised() -> None:
    assert translate("s", AssertionError("bug"), 2) is None
    assert translate("s", TypeError("bug"), 2) is None


async def test_a_closed_link_stays_closed() -> None:
    link = PgSession(parse_url("postgresql://u@127.0.0.1:1/fleet"), 1)
    link.close()
    with pytest.raises(ShardUnavailable, match="closed by this process"):
        async with link.session():
            pass


async def test_nobody_complains_of_a_request_for_tls_that_was_given_up() -> None:
    loop, complaints = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    named = NamedLoop(loop, {}, 1, 1)

    def request() -> TLSUpgradeProto:
        return TLSUpgradeProto(named.loop, "host", 1, ssl.create_default_context(), False)

    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with listener:
        transport, protocol = await named.create_connection(
            request, *listener.sockets[0].getsockname()
        )
        with in_time(5):
            await asyncio.wait([protocol.on_data])  # looks at no outcome
        transport.close()
    del transport, protocol
    gc.collect()
    assert not complaints


@given(st.integers(0, 2**64 - 1))
def test_signed_keeps_the_bits(number: int) -> None:
    assert -(2**63) <= signed(number) < 2**63
    assert signed(number) % 2**64 == number


@given(st.text())
def test_namespace_keys_fit_an_integer(namespace: str) -> None:
    assert -(2**31) <= namespace_key(namespace) < 2**31


async def test_a_beat_of_a_member_that_was_not_announced_is_lost() -> None:
    store = open_store("postgresql://u@127.0.0.1:1/fleet", namespace="n", timeout=1, beat_ttl=1)
    assert not await store.writer(0).beat(Beat(1, 1, 1, 1000))


@pytest.mark.parametrize(
    ("rest", "each"),
    [
        ("db1/fleet", []),
        ("db1,db2:6432/fleet?sslmode=require", ["db1", "db2:6432"]),
        ("/fleet?host=db1,/run/postgresql", ["db1", "/run/postgresql"]),
    ],
)
def test_each_host_is_a_target_of_its_own(rest: str, each: list[str]) -> None:
    targets = parse_url(BASE + rest, {}).each()
    assert [target.name.removesuffix(":5432") for target in targets] == each
    for target, host in zip(targets, each, strict=True):
        assert target.hosts == 1
        in_url, in_options = target.dsn(0).partition("?")[::2]
        assert f"@{host}/fleet" in in_url or f"host={host}" in in_options
        assert "target_session_attrs=primary" in in_options
