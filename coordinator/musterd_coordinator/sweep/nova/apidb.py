"""The module asks Nova's API database which cells there are, and in which zone each host is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from musterd.stores.mysql.url import Target as MySqlTarget
from musterd.stores.nova.url import Target
from musterd.stores.postgres.session import PgSession

_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = {schema} AND table_name IN ('cell_mappings', 'services')
"""
_CELLS = "SELECT name, database_connection FROM cell_mappings ORDER BY id"
_ZONES = """
SELECT h.host, m.value FROM aggregate_hosts h
JOIN aggregate_metadata m ON m.aggregate_id = h.aggregate_id
WHERE m.{key} = 'availability_zone' ORDER BY m.aggregate_id
"""
_HOSTS = """
SELECT h.host, c.name FROM host_mappings h JOIN cell_mappings c ON c.id = h.cell_id
WHERE c.name IS NOT NULL
"""


class Mapped(NamedTuple):
    """A `Mapped` is a row of ``cell_mappings``: a cell's name, and its database as Nova reaches it."""

    name: str
    connection: str


class ApiDatabase(Protocol):
    """An `ApiDatabase` answers queries. It raises only StoreError."""

    name: str
    schema: str
    key: str  # the column of that name, which is a word of SQL

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """Return the rows of ``query``."""

    def close(self) -> None:
        """Close the connection without waiting for the network."""


def database_at(target: Target, timeout: float) -> ApiDatabase:
    """Return the database of ``target``; connect to nothing yet."""
    if isinstance(target, MySqlTarget):
        return _MySql(target, timeout)
    return _Postgres(target, timeout)


async def tables(database: ApiDatabase) -> set[str]:
    """Return which of the tables ``cell_mappings`` and ``services`` its login may read."""
    found = await database.rows(_TABLES.format(schema=database.schema))
    return {str(name) for (name,) in found}


async def cells(database: ApiDatabase) -> list[Mapped]:
    """Return all cells, disabled ones and cell0 too: their services report like all others."""
    rows = await database.rows(_CELLS)
    return [Mapped(name or "", connection or "") for name, connection in rows]


async def zones(database: ApiDatabase) -> Mapping[str, str]:
    """Return the zone of each host: that of its aggregate, else its cell."""
    hosts = {str(host): str(cell) for host, cell in await database.rows(_HOSTS)}
    named = await database.rows(_ZONES.format(key=database.key))
    return hosts | {str(host): str(zone) for host, zone in named}


class _MySql:
    schema = "DATABASE()"
    key = "`key`"

    def __init__(self, target: MySqlTarget, timeout: float) -> None:
        from musterd.stores.mysql.session import MySqlSession  # needs an extra

        self.name = target.name
        self._link = MySqlSession(target, timeout)

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """Return the rows of ``query``."""
        async with self._link.session() as session:
            rows: Sequence[Sequence[Any]] = (await session.once(query)).rows
        return rows

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


class _Postgres:
    schema = "current_schema()"
    key = '"key"'

    def __init__(self, target: Any, timeout: float) -> None:
        self.name = target.name
        self._link = PgSession(target, timeout)

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """Return the rows of ``query``."""
        async with self._link.transaction() as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    def close(self) -> None:
        """Close the connection."""
        self._link.close()
