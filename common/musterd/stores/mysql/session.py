"""The module keeps one connection to MariaDB or MySQL: see :class:`musterd.stores.link.Link`."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import uniform
from typing import Any, NoReturn

import anyio
from asyncmy import auth
from asyncmy.connection import Connection, PreparedStatement
from asyncmy.constants.CLIENT import FOUND_ROWS, SSL
from asyncmy.errors import MySQLError, OperationalError

from musterd.errors import ConfigError, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import LONGEST_CONNECTED, Link, NotWritable, milliseconds
from musterd.stores.mysql.errors import (
    LOCKED,
    is_of_one_host,
    not_ready,
    number_of,
    of_all,
    read_only,
    said_by,
    translate,
)
from musterd.stores.mysql.sha2 import encrypted
from musterd.stores.mysql.tls import tls_of
from musterd.stores.mysql.url import Target, address_text
from musterd.stores.named_loop import NamedLoop

# A host that lost its power would otherwise keep its connection for eight hours, and its locks. Not
# strict, a server cuts off what is too long. Only a node of Galera heeds the last two: it answers a read
# once it has what was written anywhere before, and none while it is cut off from its cluster. A table in
# memory may be as large as is set in the first session that uses it after a start of the server. MySQL
# limits nothing but reads, and a transaction has to be given its limit: see `_held`.
_GREET = (
    "SET SESSION wait_timeout = {awake}, SESSION innodb_lock_wait_timeout = {wait},"
    " SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES'),"
    " SESSION group_concat_max_len = 16777216, SESSION time_zone = '+00:00'"
    " /*M!100301 , SESSION idle_transaction_timeout = {idle} */"
    " /*M!100201 , SESSION max_statement_time = {limit}, SESSION wsrep_sync_wait = 1,"
    " SESSION wsrep_dirty_reads = 0,"
    " SESSION max_heap_table_size = GREATEST(@@GLOBAL.max_heap_table_size, 536870912) */"
    " /*!80001 , SESSION max_execution_time = {read_limit} */"
)
# All nodes of a Galera cluster are one place. A server's unique numbers begin with its own and the second
# in which it started: in containers many have the same name and port.
_SERVER = """
SELECT COALESCE(NULLIF(({cluster}), ''),
    CONCAT_WS('/', @@hostname, @@port, UUID_SHORT() DIV 16777216))
"""
_CLUSTER = """
SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
WHERE VARIABLE_NAME = 'wsrep_cluster_state_uuid'
"""
LOGIN = "LEFT(SESSION_USER(), CHAR_LENGTH(SESSION_USER()) - LOCATE('@', REVERSE(SESSION_USER())))"
"""The name of a connection's account, without its host, in SQL."""

_IS_READ_ONLY = "SELECT CONCAT(@@GLOBAL.read_only)"
_WRITABLE = ("0", "OFF")
_READY = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_provider_name')"
    " AND Value NOT IN ('', 'ON')"
)
_NOT_READY = 2  # rows: it is a node of Galera, and it is not ready
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"  # whatever the server's is
_AWAKE = 900  # seconds without a word, after which a connection is over
_NO_TLS = "it speaks no TLS there, and the URL of the store demands it: have its server do so"
auth.sha2_rsa_encrypt = encrypted  # asyncmy's own takes a package that agents do not have
_NEVER = 31536000  # seconds: asyncmy's own deadlines never strike before those around it


@dataclass(slots=True)
class Session:
    """A ``Session`` is a live connection, with the statements that were prepared on it.

    ``reached`` and ``renewed_by`` are as :class:`~musterd.stores.link.Connected` says. ``shard`` is what
    it belongs to, and ``server`` the one of its hosts that it is connected to. All calls raise
    NotWritable where that takes no changes, and else the driver's errors.
    """

    shard: str
    server: str
    connection: Connection
    reached: tuple[str, str] | None
    renewed_by: float
    prepared: dict[str, PreparedStatement] = field(default_factory=dict)

    @property
    def is_mariadb(self) -> bool:
        """Say whether the server is MariaDB, and not MySQL."""
        return "MariaDB" in self.connection.get_server_info()

    async def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Execute a statement that is worth preparing; return asyncmy's result."""
        async with self._in_plain_words():
            prepared = self.prepared.get(statement)
            if prepared is None:
                prepared = self.prepared[statement] = await self.connection.prepare(statement)
            return await prepared.execute(values)

    async def once(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Execute a statement that is seldom needed; return asyncmy's result."""
        async with self._in_plain_words():
            prepared = await self.connection.prepare(statement)
            try:
                return await prepared.execute(values)
            finally:
                await prepared.close()

    async def order(self, statement: str) -> int:
        """Execute a statement without values, whatever it is; return how many rows it found."""
        async with self._in_plain_words():
            return int(await self.connection.query(statement))

    @asynccontextmanager
    async def _in_plain_words(self) -> AsyncIterator[None]:
        try:
            with said_by(self.shard, self.server):
                yield
        except MySQLError as error:
            if number_of(error) == LOCKED:  # at a node that is cut off who reads is told no more
                await self.check_ready()
            raise

    async def check_writable(self) -> None:
        """Raise NotWritable where the server takes no changes, whatever exception it makes for this user."""
        [(flag,)] = (await self.execute(_IS_READ_ONLY)).rows
        self.heed_read_only(flag)

    def heed_read_only(self, flag: bytes | str) -> None:
        """Raise NotWritable where the server's ``read_only`` says so."""
        text = flag.decode() if isinstance(flag, bytes) else str(flag)
        if text not in _WRITABLE:
            raise read_only(self.shard, self.server, f"read_only is {text}")

    async def check_ready(self) -> None:
        """Raise NotWritable where the server is a node of Galera that is not ready."""
        if len((await self.once(_READY)).rows) == _NOT_READY:
            raise not_ready(self.shard, self.server, "wsrep_ready is OFF")


class MySqlSession(Link[Session]):
    """A ``MySqlSession`` is a :class:`~musterd.stores.link.Link` to one database of a server."""

    def __init__(self, target: Target, timeout: float, *, patient: bool = True) -> None:
        super().__init__(target.name, timeout, target.hosts, patient=patient)
        self._target = target
        self._tls = tls_of(target.tls) if target.tls else None

    @property
    def hosts(self) -> int:
        """Return how many hosts it has to connect to."""
        return self._hosts

    @asynccontextmanager
    async def transaction(self, limit: float | None = None) -> AsyncIterator[Session]:
        """Yield the connection within a transaction."""
        async with self.session(limit) as session, self._held(session):
            await session.order("START TRANSACTION")
            yield session
            await session.order("COMMIT")

    @asynccontextmanager
    async def _held(self, session: Session) -> AsyncIterator[None]:
        """Have MySQL end what goes idle meanwhile; MariaDB was told at the greeting."""
        if session.is_mariadb:
            yield
            return
        await session.order(f"SET SESSION wait_timeout = {2 * self._wait}")
        yield  # after an error the connection is over
        await session.order(f"SET SESSION wait_timeout = {_AWAKE}")

    async def server(self) -> tuple[str, bool]:
        """Return what tells the server from any other, and True: no pooler is known of.

        Raises NotWritable where it takes no changes.
        """
        async with self.session() as session:
            await session.check_writable()
            cluster = _CLUSTER if session.is_mariadb else "SELECT ''"
            rows = (await session.once(_SERVER.format(cluster=cluster))).rows
        return str(rows[0][0]), True

    async def _open(self, limit: float) -> Session:
        """Connect to the host whose turn it is, or else to the next one that takes changes."""
        named = NamedLoop(asyncio.get_running_loop(), self._ways, self._hosts, self.timeout)
        failures: list[StoreError] = []
        for host in range(self._hosts):
            self._turn += host > 0
            server = self._server()
            try:
                return await self._open_at(server, named)
            except Exception as error:
                if self._hosts == 1 or not is_of_one_host(error):
                    raise
                failures.append(self._failure(server, error, limit))
        raise of_all(failures)

    async def _open_at(self, server: str, named: NamedLoop) -> Session:
        connection = self._unconnected()
        if self._target.addresses:
            connection._loop = named.loop  # noqa: SLF001  # to find the host by its name
        renewed_by = anyio.current_time() + uniform(0.5, 1.0) * LONGEST_CONNECTED
        session = Session(self.name, server, connection, None, renewed_by)
        try:
            await connection.connect()
            connection._loop = asyncio.get_running_loop()  # noqa: SLF001  # from now on names mean nothing
            session.reached = named.reached
            await session.order(self._greeting())
            await session.order(_ISOLATION)
            if self._hosts > 1:
                await session.check_ready()
                await session.check_writable()
        except BaseException as error:
            _abort(connection)
            if self._is_wrong_server(error):
                self._leave(session.reached)
            if self._tls and isinstance(error, Exception) and _speaks_no_tls(connection):
                raise ShardUnavailable(self.name, _NO_TLS) from None
            raise
        return session

    def _server(self) -> str:
        """Return the host and the port, or the path, that are next to connect to."""
        target = self._target
        return address_text(target.address(self._turn)) if target.addresses else target.unix_socket

    def _failure(self, server: str, error: Exception, limit: float) -> StoreError:
        """Return what a failure to connect to one host of several means, in words that name it."""
        told = error if isinstance(error, StoreError) else self._translate(error, limit)
        assert told is not None  # for it is of one host
        return told if server in told.reason else type(told)(self.name, f"{server}: {told.reason}")

    def _unconnected(self) -> Connection:
        target = self._target
        where: dict[str, object] = {"unix_socket": target.unix_socket}
        if target.addresses:
            host, port = target.address(self._turn)
            where = {"host": host, "port": port}
        context, password = self._secrets()
        return Connection(
            user=target.user,
            password=password,
            database=target.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=_NEVER,
            client_flag=FOUND_ROWS,
            program_name="musterd",
            ssl=context,
            auth_plugin_map={} if target.keeps_secrets else _CLEAR,
            **where,
        )

    def _secrets(self) -> tuple[ssl.SSLContext | None, bytes]:
        """Return what TLS is spoken by, and the password as MariaDB's own client sends it."""
        try:
            context = self._tls.context() if self._tls else None
            return context, self._target.password().encode()
        except ConfigError as error:
            raise ShardRefused(self.name, str(error)) from None

    def _greeting(self) -> str:
        limit, wait = milliseconds(self.timeout), self._wait
        given = {"wait": wait, "idle": 2 * wait, "limit": limit / 1000, "read_limit": limit}
        return _GREET.format(awake=_AWAKE, **given)

    @property
    def _wait(self) -> int:
        """Return how many seconds to wait for a lock."""
        return max(1, round(self.timeout))

    def _end(self, session: Session) -> None:
        _abort(session.connection)

    def _has_ended(self, session: Session) -> bool:
        connection = session.connection
        return not connection.connected or bool(connection._stream_broken)  # noqa: SLF001

    def _translate(self, error: Exception, limit: float) -> StoreError | None:
        plain = self._tls is None and not self._target.unix_socket
        return translate(self.name, error, limit, plain=plain)

    def _is_wrong_server(self, error: BaseException) -> bool:
        return isinstance(error, NotWritable)


class _NoClearText:
    """A ``_NoClearText`` is what asyncmy asks instead of sending a password as it is."""

    def __init__(self, connection: Connection) -> None:
        del connection

    def authenticate(self, packet: object) -> NoReturn:
        """Refuse: whoever is in the way could ask for it too."""
        del packet
        raise OperationalError(
            0,
            "it asks for the password in clear text, which goes out by TLS with a checked certificate"
            " only: name its authority in the URL of the store, as in ?ssl_ca=FILE",
        )


_CLEAR = dict.fromkeys(("mysql_clear_password", "dialog"), _NoClearText)


def _speaks_no_tls(connection: Connection) -> bool:
    """Say whether the server greeted, and offered no TLS. asyncmy asks for it all the same."""
    return not getattr(connection, "server_capabilities", SSL) & SSL


def _abort(connection: Connection) -> None:
    """End the connection without waiting for the network."""
    transport = connection._transport  # noqa: SLF001
    connection.close()
    if transport is not None:
        transport.abort()
