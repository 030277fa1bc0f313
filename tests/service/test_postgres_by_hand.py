"""What an administrator makes with psql and musterd's SQL files is what musterd makes by itself."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import musterd.stores.postgres
from musterd.stores.postgres.rights import MEMBERS_OF_A_HOST
from musterd.stores.postgres.schema import STEPS, VERSION, init_db
from musterd.testing.processes import environment, find_program
from musterd.testing.servers import Database, Postgres

PATIENCE = 60.0
"""Seconds for what takes less than one on an idle machine."""

FOLDER = Path(musterd.stores.postgres.__path__[0]) / "sql"
AGENTS, ONE_LOGIN, LOGIN_EACH, LOCK_DOWN, RELAYS, COORDINATORS = (
    FOLDER / "rights" / f"{name}.sql"
    for name in ("agents", "one_login", "login_each", "lock_down", "relays", "coordinators")
)


@pytest.fixture
def roles(postgres: Postgres) -> Iterator[dict[str, str]]:
    """Give a role of each kind; what is odd in their names must mean nothing."""
    made = {kind: f"""{kind}'s "own" :'role'""" for kind in ("a", "e", "r", "c")}
    for role in made.values():
        postgres.execute(f"CREATE ROLE {quoted(role)} LOGIN")
    yield made
    for role in made.values():
        postgres.execute(f"DROP OWNED BY {quoted(role)}; DROP ROLE {quoted(role)}")


def quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'


def run(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [str(find_program("initdb", "postgresql").with_name(program)), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    return done.stdout


def by_hand(database: Database, *files: Path, role: str = "") -> None:
    given = ("-v", f"role={role}", "-v", f"most_members={MEMBERS_OF_A_HOST}")
    run(
        "psql",
        "-X1q",
        "-v",
        "ON_ERROR_STOP=1",
        *given,
        *(f"-f{file}" for file in files),
        database.dsn,
    )


def dump(database: Database) -> str:
    """All that is in the database, without what is another text each time."""
    return re.sub(r"\\(un)?restrict .*", "", run("pg_dump", database.dsn))


async def test_files_run_by_psql_make_what_musterd_makes(
    postgres: Postgres, roles: dict[str, str]
) -> None:
    with postgres.database() as one, postgres.database() as other:
        await init_db(
            one.dsn,
            PATIENCE,
            agents=roles["a"],
            agents_each=roles["e"],
            relays=roles["r"],
            coordinators=roles["c"],
        )
        other.execute("CREATE SCHEMA musterd")
        by_hand(other, *sorted(FOLDER.glob("*.sql")))
        by_hand(other, AGENTS, ONE_LOGIN, LOCK_DOWN, role=roles["a"])
        by_hand(other, AGENTS, LOGIN_EACH, LOCK_DOWN, role=roles["e"])
        by_hand(other, RELAYS, role=roles["r"])
        by_hand(other, RELAYS, COORDINATORS, role=roles["c"])
        assert dump(one) == dump(other)
        assert await init_db(other.dsn, PATIENCE) == []


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_tables_of_every_version_are_upgraded_to_the_same(
    postgres: Postgres, version: int
) -> None:
    with postgres.database() as fresh, postgres.database() as old:
        await init_db(fresh.dsn, PATIENCE)
        old.execute("CREATE SCHEMA musterd;" + "".join(STEPS[:version]))
        await init_db(old.dsn, PATIENCE)
        assert dump(fresh) == dump(old)
