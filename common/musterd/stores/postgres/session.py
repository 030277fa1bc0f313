"""The module keeps one connection to one PostgreSQL database: see :class:`musterd.stores.link.Link`.

It works connected directly and through PgBouncer in transaction mode. There, no state may be kept
in the session and no startup parameter may be sent, so :attr:`Session.direct` says which it is, and
:meth:`PgSession.transaction` sets its limits with ``SET LOCAL``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING

import anyio
import asyncpg

from musterd.errors import StoreError
from musterd.stores.link import LONGEST_CONNECTED, Link, NotWritable, milliseconds
from musterd.stores.named_loop import NamedLoop
from musterd.stores.postgres.errors import WRONG_SERVER, translate
from musterd.stores.postgres.url import Target

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

# Only a pooler gives its clients another number than the backend's own. Keepalives are asked of
# the server: its backend would otherwise outlive a host that lost its power by two hours.
_GREET = """
SELECT CASE WHEN pg_backend_pid() = $1 THEN concat(
    set_config('statement_timeout', $2, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_keepalives_interval', '10', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('tcp_user_timeout', '60000', false)) <> '' ELSE false END
"""

_NOT_READY = "57P03"  # for anybody
_SERVER = """
SELECT pg_postmaster_start_time()::text, current_setting('transaction_read_only') = 'on'
"""


@dataclass(slots=True)
class Session:
    """A ``Session`` is a live connection.

    ``prepared`` and ``many`` are for its user's statements, where ``direct``. ``reached`` is the name
    and the address of its host, None for a local socket; ``renewed_by`` is an instant of the loop's
    clock.
    """

    connection: Connection
    reached: tuple[str, str] | None
    renewed_by: float
    direct: bool = False
    prepared: "PreparedStatement[asyncpg.Record] | None" = None
    many: "PreparedStatement[asyncpg.Record] | None" = None


class PgSession(Link[Session]):
    """A ``PgSession`` is a :class:`~musterd.stores.link.Link` to a PostgreSQL database."""

    def __init__(self, target: Target, timeout: float, *, patient: bool = True) -> None:
        super().__init__(target.name, timeout, target.hosts, patient=patient)
        self._target = target

    @property
    def is_direct(self) -> bool:
        """Say whether it is connected now, and to the server itself: not to a pooler."""
        return self._session is not None and self._session.direct

    @asynccontextmanager
    async def transaction(
        self, limit: float | None = None, *, begin: str = "BEGIN ISOLATION LEVEL READ COMMITTED"
    ) -> AsyncIterator[Connection]:
        """Yield the connection within a transaction that the server ends if this client stalls."""
        most = milliseconds(self.timeout if limit is None else limit)
        async with self.session(limit) as session:
            await session.connection.execute(
                f"{begin}; SET LOCAL statement_timeout = {most};"
                f" SET LOCAL idle_in_transaction_session_timeout = {most}"
            )
            yield session.connection
            await session.connection.execute("COMMIT")

    async def server(self) -> tuple[str, bool]:
        """Return what tells the server from any other, and whether it is reached directly.

        Raises NotWritable where it takes no changes.
        """
        async with self.session() as session:
            [(started, read_only)] = await session.connection.fetch(_SERVER)
            if read_only:
                raise NotWritable(self.name, "it is read-only, as a standby is")
            return started, session.direct

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
        connection._loop = loop  # type: ignore[attr-defined]  # noqa: SLF001  # from now on names mean nothing
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

    def _end(self, session: Session) -> None:
        session.connection.terminate()

    def _has_ended(self, session: Session) -> bool:
        return bool(session.connection.is_closed())

    def _translate(self, error: Exception, limit: float) -> StoreError | None:
        return translate(self.name, error, limit)

    def _is_wrong_server(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in (*WRONG_SERVER, _NOT_READY)
