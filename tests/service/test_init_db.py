"""What `musterd init-db` answers, in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from musterd import cli
from musterd.stores.postgres.schema import VERSION
from musterd.testing.servers import Database

InitDb = Callable[..., tuple[int, str]]


@pytest.fixture
def init_db(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "InitDb":
    """Give what runs the command with these settings, and says its status and what it printed."""

    def run(*argv: str, **settings: str) -> tuple[int, str]:
        file = tmp_path / "musterd.toml"
        file.touch(mode=0o600)
        file.write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
        status = cli.main(["init-db", "--config", str(file), *argv])
        return status, "".join(capsys.readouterr())

    return run


def test_it_makes_the_tables_and_a_second_time_too(
    database: Database, role: str, init_db: InitDb
) -> None:
    for _ in range(2):
        status, said = init_db("--relays", role, store=database.dsn)
        assert (status, said.splitlines()[-1][-9:]) == (0, "are ready")
    assert database.execute("SELECT version FROM musterd.schema_version") == str(VERSION)


def test_the_registry_s_database_will_do(database: Database, init_db: InitDb) -> None:
    status, said = init_db(store="memcached://mc1:11211", registry=database.dsn)
    assert (status, said.splitlines()[-1][-9:]) == (0, "are ready")


def test_a_role_that_is_not_there_is_a_mistake_and_not_an_outage(
    database: Database, init_db: InitDb
) -> None:
    status, said = init_db("--agents", "nosuchrole", store=database.dsn)
    assert (status, 'CREATE ROLE "nosuchrole" first' in said) == (2, True)


def test_a_store_without_tables_is_told_where_they_would_be(init_db: InitDb) -> None:
    status, said = init_db(store="memcached://mc1:11211")
    assert (status, "needs no tables; name a database with --store" in said) == (2, True)


def test_a_server_of_elsewhere_is_named_as_each_role_names_it(
    database: Database, role: str, init_db: InitDb
) -> None:
    """0.0.0.0 is this host, which the command does not know."""
    url = database.dsn.replace("127.0.0.1", "0.0.0.0")
    status, said = init_db("--relays", role, store=url)
    assert (status, f"relays: postgresql://{role}@0.0.0.0:" in said) == (0, True)
