"""The module makes the table of canaries where Nova is watched, and grants the rights that watching takes.

Nothing of Nova's is changed: coordinators may read a few columns of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from musterd.errors import ConfigError, ShardRefused
from musterd.sqlfiles import folder, read
from musterd.stores.mysql.quoting import account_of
from musterd.stores.mysql.quoting import quoted as quoted_in_mysql
from musterd.stores.mysql.url import Target as MySqlTarget
from musterd.stores.nova.store import Cell, NovaDriver, open_url
from musterd.stores.nova.url import NovaUrl, Target, parse_url, target_of
from musterd.stores.postgres.rights import quoted
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import Target as PgTarget
from musterd_coordinator.sweep.nova.cells import find
from musterd_coordinator.sweep.nova.source import CANARY_SCHEMA, RULE_COLUMNS

ROLE = "musterd"
"""The login of coordinators, unless another is named."""

_CANARY_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
_CELL = {
    "services": (
        *("id", "host", "topic", "binary", "report_count", "deleted"),
        *("disabled", "disabled_reason", "forced_down"),
    )
}
_TRACED = {"services": RULE_COLUMNS}
_API = {
    "cell_mappings": ("id", "name", "database_connection"),
    "host_mappings": ("cell_id", "host"),
    "aggregate_hosts": ("aggregate_id", "host"),
    "aggregate_metadata": ("aggregate_id", "key", "value"),
}
_SQL = folder("musterd.stores.nova", "sql")
_SOME_CELL = "nova_cell1"


def init_sql(url: str, coordinators: str = ROLE) -> str:
    """Return what is to be done by hand: for the server's own client, with its places in comments.

    Raises ConfigError for a bad URL.
    """
    nova = parse_url(url)
    database = _database_of(nova.target)
    statements = [
        *_lines(f"in the API database; leave this out where {database} is a cell's own"),
        *_grants(nova.target, database, _API, coordinators),
        *_lines(f"in the database of each cell, here {_SOME_CELL}, on its server"),
        _canary_sql(nova.target),
        *_grants(nova.target, _SOME_CELL, _CELL, coordinators),
        *_canary_grants(nova.target, coordinators),
        *_lines(
            "for a trace of what Nova's own rule says (musterd shadow, trace_dir); leave it out otherwise"
        ),
        *_grants(nova.target, _SOME_CELL, _TRACED, coordinators),
    ]
    return "\n".join(statements) + "\n"


async def init_db(
    url: str,
    timeout: float,  # noqa: ASYNC109 (a default for all calls)
    *,
    coordinators: str | None = None,
) -> list[str]:
    """Make the table of canaries for each cell, and grant ``coordinators`` what they need.

    ``url`` is that of somebody who may. Idempotent. Return what is left to do: nothing. Raises
    ConfigError for a bad URL and for a login that is not there, StoreError where a database cannot be
    reached or says no.
    """
    store = open_url(url, namespace="", timeout=timeout, beat_ttl=0.0)
    driver = store.driver
    assert isinstance(driver, NovaDriver)
    cells, has_api = await find(driver)
    if has_api and coordinators:
        await _run(driver.nova.target, timeout, _granted(driver.nova, coordinators), coordinators)
    for cell in cells:
        await _run(target_of(cell.database), timeout, _made(cell, coordinators), coordinators)
    return []


def _granted(nova: NovaUrl, coordinators: str) -> list[str]:
    return list(_grants(nova.target, _database_of(nova.target), _API, coordinators))


def _made(cell: Cell, coordinators: str | None) -> list[str]:
    target = target_of(cell.database)
    made = [_canary_sql(target)]
    if coordinators:
        made += _grants(target, _database_of(target), _CELL, coordinators)
        made += _grants(target, _database_of(target), _TRACED, coordinators)
        made += _canary_grants(target, coordinators)
    return made


async def _run(
    target: Target,
    timeout: float,  # noqa: ASYNC109
    sql: Sequence[str],
    coordinators: str | None,
) -> None:
    statements = [each.strip() for text in sql for each in _bare(text).split(";") if each.strip()]
    try:
        if isinstance(target, MySqlTarget):
            await _run_in_mysql(target, timeout, statements)
        else:
            await _run_in_postgres(target, timeout, statements)
    except ShardRefused as error:
        if coordinators:
            raise ConfigError(f"{error}: CREATE the login {coordinators!r} first?") from None
        raise


async def _run_in_mysql(target: MySqlTarget, timeout: float, statements: Sequence[str]) -> None:  # noqa: ASYNC109
    from musterd.stores.mysql.session import MySqlSession  # needs an extra

    link = MySqlSession(target, timeout)
    try:
        async with link.session() as session:
            for statement in statements:
                await session.order(statement)
    finally:
        link.close()


async def _run_in_postgres(target: PgTarget, timeout: float, statements: Sequence[str]) -> None:  # noqa: ASYNC109
    link = PgSession(target, timeout)
    try:
        async with link.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)
    finally:
        link.close()


def _canary_sql(target: Target) -> str:
    return read(_SQL, "mysql" if isinstance(target, MySqlTarget) else "postgres")


def _grants(
    target: Target, database: str, tables: Mapping[str, Sequence[str]], role: str
) -> Iterator[str]:
    mysql = isinstance(target, MySqlTarget)
    quote = quoted_in_mysql if mysql else quoted
    where = f"{quote(database)}." if mysql else ""
    for table, columns in tables.items():
        listed = ", ".join(map(quote, columns))
        yield f"GRANT SELECT ({listed}) ON {where}{table} TO {_login(target, role)};"


def _canary_grants(target: Target, role: str) -> Iterator[str]:
    login = _login(target, role)
    if not isinstance(target, MySqlTarget):
        yield f"GRANT USAGE ON SCHEMA {CANARY_SCHEMA} TO {login};"
    yield f"GRANT {_CANARY_RIGHTS} ON {CANARY_SCHEMA}.canary TO {login};"


def _login(target: Target, role: str) -> str:
    return account_of(role) if isinstance(target, MySqlTarget) else quoted(role)


def _database_of(target: Target) -> str:
    return target.database if isinstance(target, MySqlTarget) else target.name.rpartition("/")[2]


def _lines(comment: str) -> Iterator[str]:
    yield f"-- {comment}"


def _bare(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
