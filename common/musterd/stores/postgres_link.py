"""One connection to one PostgreSQL database, which is made anew after anything unclean.

Works connected directly and through PgBouncer in transaction mode. There, no state may be kept in
the session and no startup parameter may be sent, so :attr:`Session.direct` says which it is, and
:meth:`Link.transaction` sets its limits with ``SET LOCAL``.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import uniform
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import anyio
import asyncpg

from musterd.errors import (
    ConfigError,
    MusterdError,
    ShardCorrupt,
    ShardRefused,
    ShardUnavailable,
    StoreError,
)
from musterd.resolving import shared
from musterd.stores.bounds import TOO_LITTLE_LEFT, Deadline, Turn, time_left
from musterd.stores.errand import Errand
from musterd.stores.postgres_names import NamedLoop, Ways
from musterd.urls import host_and_port, without_secret

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

T = TypeVar("T")

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
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('tcp_user_timeout', '60000', false)) <> '' ELSE false END
"""

_NO_FUNCTION = "42883"
_NO_TABLES = ("42P01", _NO_FUNCTION, "3F000")  # undefined table, function, no such schema
_NO_RIGHTS = "42501"
_WAITED_TOO_LONG = ("57014", "55P03", "25P03")  # statement, lock, idle in transaction
# Serialization failure, deadlock, duplicate key, duplicate schema, table and function.
_COLLISIONS = ("40001", "40P01", "23505", "42P06", "42P07", "42723")
_NO_SERVICE = ("08", "57")  # connection exceptions; starting up, shutting down, terminated
_WRONG_SERVER = ("25006", "0A000", "55000", "57P03")
"""Read-only, as a standby is (the next two, too, of what it cannot do); or not ready for anybody."""

LONGEST_CONNECTED = 300.0
"""Seconds after which :meth:`Link.freshen` connects anew to the address that it has. A proxy may
lead elsewhere by now; but a backend of PostgreSQL costs some milliseconds, and the agent as many."""

LEAST_TO_CONNECT = 5.0
"""Seconds that a connect may take at least, whoever asked for it, where there is no other host."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a PostgreSQL URL leads. ``name`` and ``url`` hold no secret."""

    name: str
    url: str
    _parts: SplitResult = field(repr=False)

    def dsn(self, turn: int) -> str:
        """The URL for asyncpg, whose hosts begin with the one whose ``turn`` it is."""
        login, at, hosts = self._parts.netloc.rpartition("@")
        options = dict(parse_qsl(self._parts.query))
        if self.hosts > 1 and "target_session_attrs" not in options:
            options["target_session_attrs"] = _only_primary()
        if not hosts and "host" in options:
            options["host"] = _turned(options["host"], turn)
        netloc = f"{login}{at}{_turned(hosts, turn)}"
        query = urlencode(options, safe="/,")
        return self._parts._replace(netloc=netloc, query=query).geturl()

    @property
    def hosts(self) -> int:
        """How many hosts it has."""
        return 1 + self.name.rpartition("/")[0].count(",")


def _only_primary() -> str:
    # Of several hosts one is the primary, and all that musterd says to a standby is refused.
    return os.environ.get("PGTARGETSESSIONATTRS", "primary")


def _turned(hosts: str, turn: int) -> str:
    listed = hosts.split(",")
    turn %= len(listed)
    return ",".join(listed[turn:] + listed[:turn])


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
    """A live connection. ``prepared`` and ``many`` are for its user's statements, where ``direct``.

    ``reached`` is the name and the address of its host, None for a local socket; ``renewed_by`` an
    instant of the loop's clock.
    """

    connection: Connection
    reached: tuple[str, str] | None
    renewed_by: float
    direct: bool = False
    prepared: "PreparedStatement[asyncpg.Record] | None" = None
    many: "PreparedStatement[asyncpg.Record] | None" = None


class Collision(ShardRefused):
    """Somebody did the same at the same time; done again, it may well go through."""


async def again(call: Callable[[], Awaitable[T]], attempts: int = 4) -> T:
    """What ``call`` returns, which is made again when it collides. Raises what the last one does."""
    for _ in range(attempts - 1):
        with suppress(Collision):
            return await call()
    return await call()


class Link:
    """At most one connection, used by one call at a time; every call within its deadline.

    A connection that is being made is everybody's: it has a deadline of its own, and a caller who
    gives up leaves it to the next in line. Only where not ``patient`` does it end with its caller.
    """

    def __init__(self, target: Target, timeout: float, *, patient: bool = True) -> None:
        self.name = target.name
        self.timeout = timeout
        self._target = target
        self._patient = patient
        self._lock = Turn()
        self._session: Session | None = None
        self._connecting = Errand(self._connect)
        self._renewing = Errand(self._connect)
        self._ways: Ways = {}
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
        waits = self._lock.is_taken
        with self._in_words(limit), Deadline(self.name, limit):
            asked, given = anyio.current_time(), time_left()
            async with self._lock:
                if waits and time_left() < TOO_LITTLE_LEFT * given:
                    waited = anyio.current_time() - asked
                    raise ShardUnavailable(self.name, f"other calls took {waited:.1f} s before it")
                session = await self._connected()
                try:
                    yield session
                except BaseException as error:
                    self._doubt(session, error)
                    self.drop()
                    raise

    @asynccontextmanager
    async def transaction(
        self, limit: float | None = None, *, begin: str = "BEGIN ISOLATION LEVEL READ COMMITTED"
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

        So it takes what a newcomer takes: a server with no connection to spare refuses it. Calls
        go on over the old connection meanwhile.
        """
        with self._in_words(self.timeout), Deadline(self.name, self.timeout):
            session = await self._made(self._renewing)
            async with self._lock:
                self.drop()
                self._session = session

    async def freshen(self) -> str:
        """:meth:`renew` if its host's name has lost the address, or it is connected for very long.

        The new address if it is another one, else an empty text. Raises StoreError.
        """
        session = self._session
        if session is None:
            return ""
        with self._in_words(self.timeout), Deadline(self.name, self.timeout):
            if anyio.current_time() < session.renewed_by and not await _has_moved(session):
                return ""
        await self.renew()
        now = self._session.reached if self._session else None
        return now[1] if now is not None and now != session.reached else ""

    def drop(self) -> None:
        """End the connection without waiting for the network; the next call connects anew."""
        session, self._session = self._session, None
        if session is not None:
            session.connection.terminate()

    def close(self) -> None:
        """As :meth:`drop`, for good."""
        self._closed = True
        self.drop()
        for errand in self._connecting, self._renewing:
            self._give_up(errand)

    async def _connected(self) -> Session:
        while self._session is None or self._session.connection.is_closed():
            self.drop()
            self._session = await self._made(self._connecting)
        return self._session

    async def _made(self, errand: Errand[Session]) -> Session:
        if self._closed:
            raise ShardUnavailable(self.name, "closed by this process")
        joins = errand.is_under_way
        try:
            return await errand.outcome()
        except Exception:
            if not joins:
                raise
            return await errand.outcome()  # what failed was begun for others, when it was earlier
        finally:
            if not self._patient:
                self._give_up(errand)

    def _give_up(self, errand: Errand[Session]) -> None:
        session = errand.give_up()
        if session is not None:
            session.connection.terminate()

    async def _connect(self) -> Session:
        alone = self._target.hosts == 1
        limit = max(self.timeout, LEAST_TO_CONNECT) if alone else self.timeout
        try:
            with anyio.fail_after(limit):
                return await self._open(limit)
        except BaseException:
            self._turn += 1  # a host that hangs must not be first in line again
            raise

    async def _open(self, limit: float) -> Session:
        loop = asyncio.get_running_loop()
        named = NamedLoop(loop, self._ways, self._target.hosts, self.timeout)
        connection = await asyncpg.connect(
            self._target.dsn(self._turn),
            timeout=2 * limit,  # never strikes: the deadline around this is shorter
            statement_cache_size=0,
            server_settings={"application_name": "musterd"},
            loop=named.loop,
        )
        connection._loop = loop  # type: ignore[attr-defined]  # from now on names mean nothing
        renewed_by = anyio.current_time() + uniform(0.5, 1.0) * LONGEST_CONNECTED
        session = Session(connection, named.reached, renewed_by)
        try:
            pid, most = connection.get_server_pid(), str(milliseconds(self.timeout))
            session.direct = await connection.fetchval(_GREET, pid, most)
        except BaseException as error:
            self._doubt(session, error)
            connection.terminate()
            raise
        return session

    def _doubt(self, session: Session, error: BaseException) -> None:
        """Begin elsewhere next time, if ``error`` means that this is not the server to be at."""
        if getattr(error, "sqlstate", None) in _WRONG_SERVER:
            self._turn += 1
            if session.reached:
                host, address = session.reached
                self._ways[host].failed(address)

    @contextmanager
    def _in_words(self, limit: float) -> Iterator[None]:
        try:
            yield
        except MusterdError:
            raise
        except Exception as error:
            translated = translate(self.name, error, limit)
            if translated is None:
                raise
            raise translated from None


async def _has_moved(session: Session) -> bool:
    if session.reached is None:
        return False
    host, address = session.reached
    return address not in await shared().addresses(host)


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
        missing = "functions of this version" if state == _NO_FUNCTION else "tables"
        advice = "run 'musterd init-db' or start the coordinator"
        return ShardRefused(shard, f"no musterd {missing} in this database: {advice}")
    if state == _NO_RIGHTS:
        return ShardRefused(shard, f"{text}: grant what 'musterd init-db --print' shows")
    if state in _COLLISIONS:
        return Collision(shard, text)
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
