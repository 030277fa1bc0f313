"""The module finds the cells that a coordinator watches, and where their databases are."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import anyio
import structlog

from musterd.errors import ConfigError, ShardRefused, StoreError
from musterd.settings.novadatabase import store_in
from musterd.stores import Store
from musterd.stores.nova.store import Cell, NovaDriver, Rhythm, watching
from musterd.stores.nova.url import NovaUrl, target_of
from musterd.urls import without_secret
from musterd_coordinator.sweep.nova import apidb
from musterd_coordinator.sweep.nova.apidb import Mapped
from musterd_coordinator.sweep.nova.source import missing_services

log = structlog.get_logger(__name__)

RETRY = 3.0
"""Seconds until the cells are asked for again, where they cannot be had."""

_NO_CELLS = "its table cell_mappings is empty: map the cells with nova-manage cell_v2 first"
_FIELD = re.compile(r"\{(\w+)\}")
_PORTS = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432, "postgres": 5432}


async def watched(store: Store, rhythm: Rhythm) -> Store:
    """Return ``store`` with the cells that there are. It waits for as long as they cannot be asked for.

    Raises ConfigError where the database is none of Nova's, or a cell's cannot be watched.
    """
    assert isinstance(store.driver, NovaDriver)
    said = ""
    while True:
        try:
            cells, zoned = await find(store.driver)
            return watching(store, cells, rhythm, zoned=zoned)
        except StoreError as error:
            if str(error) != said:
                log.warning("cells not known", store=store.url, reason=error.reason)
            said = str(error)
        await anyio.sleep(RETRY)


async def find(driver: NovaDriver) -> tuple[list[Cell], bool]:
    """Return the cells that the API database knows, and True; or the one whose database it is, and False.

    Raises StoreError and ConfigError.
    """
    nova = driver.nova
    database = apidb.database_at(nova.target, driver.timeout)
    try:
        tables = await apidb.tables(database)
        if "cell_mappings" in tables:
            found = cells_of(nova, await apidb.cells(database))
            if not found:
                raise ShardRefused(nova.target.name, _NO_CELLS)
            return found, True
    finally:
        database.close()
    if "services" not in tables:
        raise ShardRefused(nova.target.name, missing_services(nova.target.name))
    return [Cell("", nova.database)], False


def cells_of(nova: NovaUrl, mapped: Sequence[Mapped]) -> list[Cell]:
    """Return what rows of ``cell_mappings`` say; two cells in one database are one.

    Raises ConfigError, without a password, for a database that cannot be watched.
    """
    found = dict[str, Cell]()
    for name, connection in mapped:
        cell = Cell(name, _database(nova, name, connection))
        found.setdefault(target_of(cell.database).name, cell)
    return list(found.values())


def _database(nova: NovaUrl, name: str, connection: str) -> str:
    """Return the URL of a cell's database, by the login that is to be used."""
    shown = f"{nova.url}: cell {name or 'without a name'}"
    filled = _filled(nova, connection)
    try:
        found = store_in(filled)
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}") from None
    if found is None:
        raise ConfigError(
            f"{shown} is in {without_secret(filled)!r}, and musterd watches PostgreSQL and MariaDB"
        )
    return found.url if nova.login == "mapping" else _by_own_login(nova, found.url)


def _filled(nova: NovaUrl, connection: str) -> str:
    """Fill in a template as Nova does, by the URL that is there: ours."""
    if "{" not in connection:
        return connection
    parts = urlsplit(nova.database)
    values = {
        "scheme": parts.scheme,
        "username": parts.username or "",
        "password": parts.password or "",
        "hostname": parts.hostname or "",
        "port": str(_port(parts)),
        "query": parts.query,
        "fragment": "",
        "path": parts.path.removeprefix("/"),
    }
    return _FIELD.sub(lambda field: values.get(field[1], field[0]), connection)


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError:  # of several hosts
        return _PORTS[parts.scheme]


def _by_own_login(nova: NovaUrl, database: str) -> str:
    """Return where ``database`` is, reached as the URL's own is: by its login and its options."""
    own, cell = urlsplit(nova.database), urlsplit(database)
    login, at, _ = own.netloc.rpartition("@")
    hosts = cell.netloc.rpartition("@")[2]
    query = own.query if hosts else cell.query
    return cell._replace(netloc=f"{login}{at}{hosts}", query=query).geturl()
