"""The module has the transactions of a MariaDB registry, its reads, and what goes wrong with them.

A read is of one moment by itself and needs no transaction, which would cost it two more round trips.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from asyncmy.errors import MySQLError

from musterd.errors import RegistryError, RegistryRefused, ShardUnavailable, StoreError
from musterd.stores.link import NotWritable, again
from musterd.stores.mysql.errors import TAKEN, number_of, text_of
from musterd.stores.mysql.session import MySqlSession, Session
from musterd_coordinator.registry import mysql_sql as sql
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.mysql_values import ChangeMark

# A value is to blame, not the server: data exceptions, integrity, a trigger's own words. And what the
# server puts under no such class: a text too long for a row, wrong JSON or UTF-8, a CHECK.
_REFUSALS = ("22", "23", "45")
_REFUSED = (1118, 1153, 1300, 1366, 3819, 4025, 4038)
_UNSENDABLE = (UnicodeError, OverflowError)

T = TypeVar("T")
Work = Callable[[Session], Awaitable[T]]


async def rows_of(
    link: MySqlSession, statement: str, values: Sequence[object] = (), limit: float | None = None
) -> Sequence[Row]:
    """Return what one statement finds, within ``limit`` seconds. Raises RegistryError."""

    async def work(session: Session) -> Sequence[Row]:
        await session.check_writable()
        rows: Sequence[Row] = (await session.execute(statement, values)).rows
        return rows

    return await reading(link, work, limit)


async def mark_of(session: Session) -> ChangeMark:
    """Return the present moment of a server that takes changes."""
    [(number, life, flag)] = (await session.execute(sql.MARK)).rows
    session.heed_read_only(flag)
    return ChangeMark(number, life)


async def reading(link: MySqlSession, work: Work[T], limit: float | None = None) -> T:
    """Return what ``work`` reads over one connection; elsewhere it does as :func:`within`.

    Where there are several hosts, one that has not answered in half the time is passed over: a node of
    Galera that comes back to its cluster takes connections, and keeps who reads waiting.
    """

    async def attempt(seconds: float | None = limit) -> T:
        async with link.session(seconds) as session:
            with _refusals(link.name):
                return await work(session)

    async def on_either() -> T:
        half = (limit or link.timeout) / 2
        try:
            return await attempt(half)
        except ShardUnavailable:
            link.pass_over()
            return await attempt(half)

    return await _somewhere(link, on_either if link.hosts > 1 else attempt)


async def within(link: MySqlSession, work: Work[T], limit: float | None = None) -> T:
    """Return what ``work`` returns, in a transaction.

    It is made again where it collides, and on another host where one takes no changes any more.
    Raises RegistryError.
    """

    async def attempt() -> T:
        async with link.transaction(limit) as session:
            with _refusals(link.name):
                await session.check_writable()
                return await work(session)

    return await _somewhere(link, attempt)


async def _somewhere(link: MySqlSession, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what ``attempt`` returns, on a host that takes changes. Raises RegistryError."""
    try:
        if link.hosts > 1:
            with suppress(NotWritable):
                return await again(attempt)
        return await again(attempt)
    except StoreError as error:
        raise RegistryError(f"registry {error}") from None


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except _UNSENDABLE as error:
        raise RegistryRefused(f"registry {name}: {error}") from None
    except MySQLError as error:
        state = str(getattr(error, "sqlstate", ""))
        number = number_of(error)
        if number in _REFUSED or (number != TAKEN and state.startswith(_REFUSALS)):
            raise RegistryRefused(f"registry {name}: {text_of(error)}") from None
        raise
