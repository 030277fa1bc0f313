"""What tests of services share."""

import pytest

from musterd.stores.postgres_schema import init_db
from musterd.testing.servers import Database


@pytest.fixture
async def ready(database: Database) -> Database:
    """Give a database with musterd's tables."""
    await init_db(database.dsn, 30.0)
    return database


@pytest.fixture(params=["whole", "halves"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How tables of PostgreSQL are swept: in one go, or by halves, however small they are."""
    if request.param == "halves":
        monkeypatch.setattr("musterd.stores.postgres_scan.HALVES_FROM", 0)
    return str(request.param)
