"""What tests of services share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from musterd.testing.servers import Database
from tests.conftest import StartPgBouncer


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a registry of each kind, which is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/musterd.db"
    database: Database = request.getfixturevalue("database")
    if request.param == "postgresql":
        return database.dsn
    start: StartPgBouncer = request.getfixturevalue("start_pgbouncer")
    return start(database.server, default_pool_size=2).dsn_of(database.name)


@pytest.fixture
def ready(tables: str, database: Database) -> Database:
    """Give a database with musterd's tables."""
    return database


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
