"""One connection to one PostgreSQL database, which is made anew after anything unclean.

Works connected directly and through PgBouncer in transaction mode. There, no state may be kept in
the session and no startup parameter may be sent, so :attr:`Session.direct` says which it is, and
:meth:`Link.transaction` sets its limits with ``SET LOCAL``.
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import asyncpg

from musterd.errors import (
    ConfigError,
    MusterdError,
    ShardCorrupt,
    ShardRefused,
    ShardUnavailable,
    StoreError,
)
from musterd.stores.bounds import Deadline, Turn
from musterd.urls import host_and_port, without_secret

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

DEFAULT_PORT = 5432
_FORM = "write postgresql://user:password@host:5432/database, with %XX for / ? # @ in a password"
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": (
        *("any", "primary", "standby"),
        *("prefer-standby", "read-write", "read-only"),
    ),
}
_FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
_TEXTS = (
    *("host", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("krbsrvname", "gsslib"),
)
OPTIONS = (*_CHOICES, *_FILES, *_TEXTS)
"""What may stand behind the ``?`` of a URL."""

# Only a pooler gives its clients another number than the backend's own. Keepalives are asked of
# the server, whose backend would otherwise outlive a host that lost its power by two hours.
_GREET = """
SELECT CASE WHEN pg_backend_pid() = $1 THEN concat(
    set_config('statement_timeout', $2, false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('tcp_user_timeout', '60000', false)) <> '' ELSE false END
"""

_NO_TABLES = ("42P01", "42883", "3F000")  # undefined table, undefined function, no such schema
_NO_RIGHTS = "42501"
_WAITED_TOO_LONG = ("57014", "55P03", "25P03")  # statement, lock, idle in transaction
_NO_SERVICE = ("08", "57")  # connection exceptions; starting up, shutting down, terminated


@dataclass(frozen=True, slots=True)
class Target:
    """Where a PostgreSQL URL leads. ``name`` and ``url`` hold no secret."""

    name: str
    url: str
    _parts: SplitResult = field(repr=False)

    def dsn(self, turn: int) -> str:
        """The URL for asyncpg, whose hosts begin with the one whose ``turn`` it is."""
        login, at, hosts = self._parts.netloc.rpartition("@")
        listed = hosts.split(",")
        turn %= len(listed)
        turned = ",".join(listed[turn:] + listed[:turn])
        return self._parts._replace(netloc=f"{login}{at}{turned}").geturl()


def parse_url(url: str) -> Target:
    """The target of ``postgresql://user@host:5432/database?option=value``.

    Raises ConfigError, without the password, for whatever asyncpg could not use.
    """
    shown = without_secret(url)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ConfigError(f"{shown} is not well formed: {_FORM}") from None
    # Anything after an unescaped / ? or # in a password would be taken for a name, and be shown.
    if parts.fragment or "@" in parts.path + parts.query:
        raise ConfigError(f"{shown} has / ? # or @ where they mean something else: {_FORM}")
    hosts = _hosts(shown, parts.netloc.rpartition("@")[2] or options.get("host", ""))
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise ConfigError(f"{shown} names no database: {_FORM}")
    _check_options(shown, options)
    return Target(f"{hosts}/{database}", shown, parts)


def _check_options(shown: str, options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name not in OPTIONS:
            raise ConfigError(
                f"{shown}: option {name!r} is not one of {', '.join(sorted(OPTIONS))}"
            )
        if name in _FILES and not Path(value).is_file():
            raise ConfigError(f"{shown}: {name} {value!r} is no file")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ConfigError(f"{shown}: {name} {value!r} is not one of {list(_CHOICES[name])}")


def _hosts(shown: str, listed: str) -> str:
    return ",".join(_host(shown, address) for address in listed.split(",")) if listed else "local"


def _host(shown: str, address: str) -> str:
    if unquote(address).startswith("/"):
        return unquote(address)
    try:
        host, port = host_and_port(address, default_port=DEFAULT_PORT)
    except ValueError:
        raise ConfigError(f"{shown} has a host that is no host or host:port: {_FORM}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _TlsRequest(asyncpg.connect_utils.TLSUpgradeProto):
    """asyncpg's own, whose answer nobody awaits when a connect is cancelled at the wrong moment.

    asyncio would complain of that later on, with a traceback.
    """

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.on_data.cancelled():
            self.on_data.exception()  # which counts as awaiting it


asyncpg.connect_utils.TLSUpgradeProto = _TlsRequest  # type: ignore[misc]


@dataclass(slots=True)
class Session:
    """A live connection. ``prepared`` is for its user's one statement, where ``direct``."""

    connection: Connection
    direct: bool = False
    prepared: "PreparedStatement[asyncpg.Record] | None" = None


class Link:
    """At most one connection, used by one call at a time; every call within its deadline."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.name = target.name
        self.timeout = timeout
        self._target = target
        self._lock = Turn()
        self._session: Session | None = None
        self._turn = 0
        self._closed = False

    @property
    def is_direct(self) -> bool:
        """Whether it is connected now, and to the server itself: not to a pooler."""
        return self._session is not None and self._session.direct

    @asynccontextmanager
    async def session(self, limit: float | None = None) -> AsyncIterator[Session]:
        """The connection, for the caller alone; connects if there is none.

        Waiting for it, connecting and what is done with it share one deadline. Whatever goes
        wrong, cancellation included, ends the connection, and raises StoreError if it came from
        the driver.
        """
        limit = self.timeout if limit is None else limit
        try:
            with Deadline(self.name, limit):
                async with self._lock:
                    try:
                        yield await self._connected()
                    except BaseException:
                        self.drop()
                        raise
        except MusterdError:
            raise
        except Exception as error:
            translated = translate(self.name, error, limit)
            if translated is None:
                raise
            raise translated from None

    @asynccontextmanager
    async def transaction(
        self, limit: float | None = None, *, begin: str = "BEGIN"
    ) -> AsyncIterator[Connection]:
        """The connection within a transaction that the server ends if this client stalls."""
        most = milliseconds(self.timeout if limit is None else limit)
        async with self.session(limit) as session:
            await session.connection.execute(
                f"{begin}; SET LOCAL statement_timeout = {most};"
                f" SET LOCAL idle_in_transaction_session_timeout = {most}"
            )
            yield session.connection
            await session.connection.execute("COMMIT")

    async def renew(self) -> None:
        """Connect anew, and end the old connection only after that. Raises StoreError.

        So it takes what a newcomer takes: a server with no connection to spare refuses it.
        """
        old, self._session = self._session, None
        try:
            async with self.session():
                pass
        except BaseException:
            self._session = old
            raise
        if old is not None:
            old.connection.terminate()

    def drop(self) -> None:
        """End the connection without waiting for the network; the next call connects anew."""
        session, self._session = self._session, None
        if session is not None:
            session.connection.terminate()

    def close(self) -> None:
        """As :meth:`drop`, for good."""
        self._closed = True
        self.drop()

    async def _connected(self) -> Session:
        if self._closed:
            raise ShardUnavailable(self.name, "closed by this process")
        if self._session is not None and not self._session.connection.is_closed():
            return self._session
        self.drop()
        try:
            return await self._connect()
        except BaseException:
            self._turn += 1  # a host that hangs must not be first in line again
            raise

    async def _connect(self) -> Session:
        connection = await asyncpg.connect(
            self._target.dsn(self._turn),
            timeout=2 * self.timeout,  # never strikes: the deadline around this is shorter
            statement_cache_size=0,
            server_settings={"application_name": "musterd"},
        )
        self._session = Session(connection)
        pid, limit = connection.get_server_pid(), str(milliseconds(self.timeout))
        self._session.direct = await connection.fetchval(_GREET, pid, limit)
        return self._session


def milliseconds(seconds: float) -> int:
    """A time limit as PostgreSQL takes it, where 0 would mean none."""
    return max(1, int(seconds * 1000))


def translate(shard: str, error: Exception, limit: float) -> StoreError | None:
    """What a failure of the driver or the network means; None for a fault of our own."""
    if isinstance(error, TimeoutError) and not isinstance(error, asyncpg.PostgresError):
        return ShardUnavailable(shard, f"no answer within {limit:g} s")
    if isinstance(error, asyncpg.PostgresError):
        return _translate_reply(shard, error, limit)
    if isinstance(error, OSError):
        return ShardUnavailable(shard, _network_reason(error))
    if isinstance(
        error, asyncpg.exceptions.ClientConfigurationError | asyncpg.exceptions.DataError
    ):
        return ShardRefused(shard, _first_line(error))
    if type(error) is asyncpg.InternalClientError:  # its words are for asyncpg's developers
        return ShardUnavailable(shard, "connection lost")
    if isinstance(error, asyncpg.InternalClientError | asyncpg.InterfaceError):
        return ShardUnavailable(shard, _first_line(error))
    if isinstance(error, ValueError | LookupError | BufferError | EOFError):
        return ShardCorrupt(shard, f"unreadable answer ({type(error).__name__}: {error})")
    return None


def _translate_reply(shard: str, error: asyncpg.PostgresError, limit: float) -> StoreError:
    state, text = str(error.sqlstate), _first_line(error)
    if state in _NO_TABLES:
        advice = "run 'musterd init-db' or start the coordinator"
        return ShardRefused(shard, f"no musterd tables in this database: {advice}")
    if state == _NO_RIGHTS:
        return ShardRefused(shard, f"{text}: grant what 'musterd init-db --print' shows")
    if state in _WAITED_TOO_LONG:
        return ShardUnavailable(shard, f"no answer within {limit:g} s ({text})")
    if state.startswith(_NO_SERVICE):
        return ShardUnavailable(shard, text)
    return ShardRefused(shard, text)


def _network_reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host name not found ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's
        return f"no TLS: {_first_line(error)}"
    return os.strerror(error.errno) if error.errno else _first_line(error) or "connection lost"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
