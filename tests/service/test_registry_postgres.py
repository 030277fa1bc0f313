"""What a registry in PostgreSQL alone does."""

import anyio
import asyncpg
import pytest

from musterd.errors import RegistryError
from musterd.model import Facts
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database
from tests.conftest import StartPostgres
from tests.service.registries import (
    by_name,
    entry,
    loaded,
    open_at,
    opened,
    record,
    set_facts,
)


async def test_changes_committed_late_are_not_missed(database: Database) -> None:
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        await record(one, [entry("a"), entry("b")])
        await loaded(two)
        late = await asyncpg.connect(database.dsn)
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            "UPDATE musterd.registry SET facts = '{\"disabled\": true}',"
            " changed = pg_current_xact_id(), changed_by = 0 WHERE name = 'a'"
        )
        await set_facts(one, "b", Facts(zone="x"))
        assert list(by_name(await two.changed())) == ["b"]
        assert list(await two.changed()) == []
        await transaction.commit()
        await late.close()
        assert by_name(await two.changed())["a"].facts == Facts(disabled=True)
        assert list(await two.changed()) == []


async def test_changes_in_pages_come_in_the_order_of_transactions(
    database: Database,
) -> None:
    """Numbers of transactions sort as numbers: 99 before 100."""
    names = [f"h{number}" for number in range(9)]
    async with opened(database.dsn, at_once=2) as one:
        await record(one, [entry(name) for name in names])
        for number, name in enumerate(names):
            database.execute(
                f"UPDATE musterd.registry SET changed = '{96 + number}' WHERE name = '{name}'"
            )
        assert [each.member.name for each in await loaded(one)] == names


async def test_a_server_that_is_away_is_an_error_in_words(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    async with opened(server.dsn, timeout=allowed_now(3.0)) as registry:
        await record(registry, [entry("a")])
        server.kill()
        with pytest.raises(RegistryError, match=r"registry 127\.0\.0\.1"):
            await registry.changed()
        with pytest.raises(RegistryError):  # the connection of batches is found lost, or closed
            await loaded(registry)
        with pytest.raises(RegistryError, match="connection refused"):
            await loaded(registry)
        server.start()
        with in_time(10):
            while True:
                try:
                    assert list(by_name(await loaded(registry))) == ["a"]
                    break
                except RegistryError:
                    await anyio.sleep(0.05)


async def test_registry_without_rights_says_so(database: Database) -> None:
    role = f"{database.name}_r"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        registry = open_at(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(RegistryError, match="musterd init-db --print"):
            await registry.open()
        await registry.aclose()
    finally:
        database.execute(f"DROP ROLE {role}")
