"""What tests of services share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd.testing.servers import Database
from tests.conftest import StartPgBouncer, StartPostgres
from tests.contract.database_lab import DatabaseLab
from tests.contract.mariadb_lab import COORDINATORS, MariaLab, maria_database, prepare
from tests.contract.postgres_lab import PostgresLab


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Run a MariaDB with the accounts of agents and coordinators."""
    with MariaDb(**MariaDb.cheap, max_connections=100) as server:
        prepare(server)
        yield server


@pytest.fixture
def maria(mariadb: MariaDb) -> Iterator[MariaDatabase]:
    """Give a database with musterd's tables."""
    with maria_database(mariadb) as database:
        yield database


@pytest.fixture
def maria_url(maria: MariaDatabase) -> str:
    """Give its URL for a coordinator, which has no rights but its own."""
    return maria.server.url_of(maria.name, COORDINATORS)


@pytest.fixture(params=["postgresql", "mariadb"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty registry that coordinators share, of each kind."""
    if request.param == "mariadb":
        return str(request.getfixturevalue("maria_url"))
    database: Database = request.getfixturevalue("database")
    return database.dsn


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a registry of each kind, which is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/musterd.db"
    if request.param == "mariadb":
        return str(request.getfixturevalue("maria_url"))
    database: Database = request.getfixturevalue("database")
    if request.param == "postgresql":
        return database.dsn
    start: StartPgBouncer = request.getfixturevalue("start_pgbouncer")
    return start(database.server, default_pool_size=2).dsn_of(database.name)


@pytest.fixture
def ready(tables: str, database: Database) -> Database:
    """Give a database with musterd's tables."""
    return database


@pytest.fixture(params=["postgresql", "mariadb"])
def behind(request: pytest.FixtureRequest) -> DatabaseLab:
    """Give a database of each kind with musterd's tables, for a relay to write to."""
    if request.param == "mariadb":
        return MariaLab(request.getfixturevalue("maria"))
    return PostgresLab(request.getfixturevalue("ready"))


@pytest.fixture(params=["postgresql", "mariadb"])
def behind_mine(
    request: pytest.FixtureRequest, start_postgres: StartPostgres
) -> Iterator[DatabaseLab]:
    """Give an empty one on a server that this test may stop."""
    if request.param == "postgresql":
        yield PostgresLab(Database(start_postgres(fsync="off"), "postgres"))
        return
    with MariaDb(innodb_flush_method="nosync") as server, server.database() as database:
        lab = MariaLab(database)
        lab.url = database.url  # nobody has rights there yet
        yield lab
        lab.close()


@pytest.fixture(params=["whole", "halves"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How tables of PostgreSQL are swept: in one go, or by halves, however small they are."""
    if request.param == "halves":
        monkeypatch.setattr("musterd_coordinator.sweep.postgres.scan.HALVES_FROM", 0)
    return str(request.param)


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """Give the name of a login role that hosts share."""
    with_roles = f"{database.name}_a"
    database.execute(f"CREATE ROLE {with_roles} LOGIN PASSWORD 'pw'")
    yield with_roles
    database.execute(f"DROP OWNED BY {with_roles}; DROP ROLE {with_roles}")


@pytest.fixture
def hosts(database: Database) -> Iterator[tuple[str, str, str]]:
    """Give a group of hosts' roles, and the login roles of two hosts in it."""
    group, one, two = (f"{database.name}_{kind}" for kind in ("g", "h1", "h2"))
    database.execute(f"CREATE ROLE {group}")
    for each in (one, two):
        database.execute(f"CREATE ROLE {each} LOGIN PASSWORD 'pw' IN ROLE {group}")
    yield group, one, two
    for each in (one, two, group):
        database.execute(f"DROP OWNED BY {each}; DROP ROLE {each}")
