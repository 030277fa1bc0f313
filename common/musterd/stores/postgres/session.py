"""The module keeps one connection to one PostgreSQL database, made anew after anything unclean.

It works connected directly and through PgBouncer in transaction mode. There, no state may be kept
in the session and no startup parameter may be sent, so :attr:`Session.direct` says which it is, and
:meth:`PgSession.transaction` sets its limits with ``SET LOCAL``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from random import uniform
from typing import TYPE_CHECKING, TypeVar

import anyio
import asyncpg

from musterd.errors import MusterdError, ShardUnavailable
from musterd.resolving import shared
from musterd.stores.bounds import TOO_LITTLE_LEFT, Deadline, Mutex, time_left
from musterd.stores.errand import Errand
from musterd.stores.postgres.errors import Collision, translate
from musterd.stores.postgres.names import NamedLoop, Ways
from musterd.stores.postgres.url import Target

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

T = TypeVar("T")

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

_WRONG_SERVER = ("25006", "0A000", "55000", "57P03")
"""Read-only, as a standby is (the next two, too, of what it cannot do); or not ready for anybody."""

LONGEST_CONNECTED = 300.0
"""Seconds after which :meth:`PgSession.freshen` connects anew to the address that it has. A proxy may
lead elsewhere by now; but a backend of PostgreSQL costs some milliseconds, and the agent as many."""

LEAST_TO_CONNECT = 5.0
"""Seconds that a connect may take at least, whoever asked for it, where there is no other host."""


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


async def again(call: Callable[[], Awaitable[T]], attempts: int = 4) -> T:
    """Return what ``call`` returns, and make it again when it collides. Raises what the last one does."""
    for _ in range(attempts - 1):
        with suppress(Collision):
            return await call()
    return await call()


class PgSession:
    """A ``PgSession`` is at most one connection, used by one call at a time, within its deadline.

    All callers share a connection that is being made: it has a deadline of its own, and a caller that
    gives up leaves it to the next in line. It ends with its caller only where not ``patient``.
    """

    def __init__(self, target: Target, timeout: float, *, patient: bool = True) -> None:
        self.name = target.name
        self.timeout = timeout
        self._target = target
        self._patient = patient
        self._lock = Mutex()
        self._session: Session | None = None
        self._connecting = Errand(self._connect)
        self._renewing = Errand(self._connect)
        self._ways: Ways = {}
        self._turn = 0
        self._closed = False

    @property
    def is_direct(self) -> bool:
        """Say whether it is connected now, and to the server itself: not to a pooler."""
        return self._session is not None and self._session.direct

    @asynccontextmanager
    async def session(self, limit: float | None = None) -> AsyncIterator[Session]:
        """Yield the connection, for the caller alone; connect if there is none.

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
        """Yield the connection within a transaction that the server ends if this client stalls."""
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
        """Renew if its host's name has lost the address, or it is connected for very long.

        Returns the new address if it is another one, else an empty text. Raises StoreError.
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
        """End the connection as :meth:`drop` does, for good."""
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
            return await errand.outcome()  # what failed was begun earlier, for another caller
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
    """Return a time limit as PostgreSQL takes it, where 0 would mean none."""
    return max(1, int(seconds * 1000))
