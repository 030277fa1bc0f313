"""How musterd's tables in PostgreSQL are made and upgraded, and who is given rights on them."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import asyncpg
import pytest

from musterd.beat import Beat, pack
from musterd.errors import ConfigError, ShardRefused
from musterd.stores.postgres.schema import STEPS, VERSION, init_db, init_sql
from musterd.testing.servers import Database
from tests.service.postgres_fleet import (
    TIMEOUT,
    announced,
    as_role,
    beat_of,
    both,
    canary,
    host,
    owner_of,
    reader_of,
    sequences,
    writer_of,
)


async def test_no_tables_is_said_with_the_cure(database: Database) -> None:
    writer = writer_of(database.dsn)
    with pytest.raises(ShardRefused, match="run 'musterd init-db' or start the coordinator"):
        await writer.announce(host(1))
    await writer.aclose()


async def test_coordinator_makes_the_tables_and_makes_them_again(database: Database) -> None:
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        assert len((await reader.roster()).seated) == 1
        database.execute("DROP SCHEMA musterd CASCADE")
        with pytest.raises(ShardRefused):
            await reader.sweep()
        roster = await reader.roster()
        assert (roster.seated, roster.vacated) == ([], [0])
        assert not await writer.beat(beat_of(host(1)))
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1)))


async def by_printed_sql(database: Database, agents: str, coordinators: str) -> None:
    database.execute(init_sql(agents, coordinators))


async def by_init_db(database: Database, agents: str, coordinators: str) -> None:
    await init_db(database.dsn, TIMEOUT, agents=agents, coordinators=coordinators)


@pytest.mark.parametrize("prepare", [by_printed_sql, by_init_db])
async def test_agents_need_no_ddl_and_coordinators_none_but_to_upgrade(
    database: Database, prepare: Callable[[Database, str, str], Awaitable[None]]
) -> None:
    name = database.name
    agents, coordinators = f"{name}_a", f"{name}_c"
    for role in (agents, coordinators):
        database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        await prepare(database, agents, coordinators)
        agent = writer_of(database.server.dsn_of(name, agents, "pw"))
        reader = reader_of(database.server.dsn_of(name, coordinators, "pw"))
        await agent.announce(host(1))
        assert await agent.beat(beat_of(host(1)))
        assert (await reader.roster()).seated == [(0, host(1))]
        assert await reader.write_canary(canary(1))
        assert await sequences(reader) == {0: 1}
        await reader.retire(host(1))
        await agent.announce(host(2))
        await agent.retire(host(2))
        for each in (agent, reader):
            await each.aclose()
    finally:
        for role in (agents, coordinators):
            database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_missing_rights_are_said_with_the_cure(database: Database) -> None:
    role = f"{database.name}_r"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        reader = reader_of(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(ShardRefused, match="permission denied for database"):
            await reader.roster()
        await init_db(database.dsn, TIMEOUT)
        writer = writer_of(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(ShardRefused, match="grant what 'musterd init-db --print' shows"):
            await writer.announce(host(1))
        await writer.aclose()
        await reader.aclose()
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_newer_tables_are_refused(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    await init_db(database.dsn, TIMEOUT)
    database.execute("UPDATE musterd.schema_version SET version = 99")
    reader = reader_of(database.dsn)
    with pytest.raises(ShardRefused, match="version 99"):
        await reader.roster()
    await reader.aclose()


async def test_two_coordinators_make_the_tables_at_once(database: Database) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(init_db, database.dsn, TIMEOUT)
    assert database.execute("SELECT version FROM musterd.schema_version") == str(VERSION)


async def test_people_can_read_the_beats(database: Database) -> None:
    async with both(database.dsn) as (writer, _):
        await writer.announce(host(1, zone="z"))
        beat = Beat(beat_of(host(1)).member_id, 0xFEDCBA9876543210, 2**63 + 5, 2500, sent_ms=1000)
        await writer.beat(beat)
        row = database.execute(
            "SELECT name, status, interval_s::float, incarnation, sequence,"
            " extract(epoch FROM sent_at)::int FROM musterd.beats"
        )
        assert row == f"host-0001|ok|2.5|fedcba9876543210|{2**63 + 5}|1"


ROLES = {
    "agents": partial(init_db, agents="nosuchrole"),
    "agents_each": partial(init_db, agents_each="nosuchrole"),
    "relays": partial(init_db, relays="nosuchrole"),
    "coordinators": partial(init_db, coordinators="nosuchrole"),
}


@pytest.mark.parametrize("which", ROLES)
async def test_a_role_that_does_not_exist_is_wrong_use(database: Database, which: str) -> None:
    with pytest.raises(ConfigError, match="no role 'nosuchrole'"):
        await ROLES[which](database.dsn, TIMEOUT)
    assert database.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'musterd'") == "0"


async def test_the_owner_of_the_tables_is_no_agent(database: Database) -> None:
    with pytest.raises(ConfigError, match="owns musterd's tables"):
        await init_db(database.dsn, TIMEOUT, agents="postgres")


async def test_rights_are_given_by_one_who_does_not_own_the_database(
    database: Database, role: str
) -> None:
    """What is beyond its rights is said; the rest is done."""
    owner = f"{database.name}_o"
    database.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'pw'")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {owner}")
    remarks = await init_db(as_role(database, owner), TIMEOUT, agents=role)
    assert ["temporary tables" in remark for remark in remarks] == [True]
    agent = writer_of(as_role(database, role))
    await agent.announce(host(1))
    assert await agent.beat(beat_of(host(1)))
    await agent.aclose()
    database.execute(f"DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}")


async def old_tables(database: Database, *roles: str) -> None:
    """Tables of the first version, with the rights that its agents had."""
    database.execute(f"CREATE SCHEMA musterd; {STEPS[0]}")
    for each in roles:
        database.execute(
            f"GRANT USAGE ON SCHEMA musterd TO {each};"
            f"GRANT SELECT, INSERT, UPDATE ON musterd.member TO {each};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO {each}"
        )


async def test_an_upgrade_keeps_members_and_what_worked_until_rights_are_given_anew(
    database: Database, role: str
) -> None:
    await old_tables(database, role)
    old = await asyncpg.connect(as_role(database, role))
    slot = await announced(old, host(1))
    update = (
        f"UPDATE musterd.beat SET record = '\\x{pack(beat_of(host(1), 2)).hex()}'"
        f" WHERE slot = {slot} AND member_id = {owner_of(host(1))}"
    )
    new = writer_of(as_role(database, role))
    with pytest.raises(ShardRefused, match="no musterd functions of this version"):
        await new.write(slot, beat_of(host(1), 3))
    reader = reader_of(database.dsn)
    assert (await reader.roster()).seated == [(0, host(1))]
    assert database.execute("SELECT version FROM musterd.schema_version") == str(VERSION)
    assert await old.execute(update) == "UPDATE 1"
    assert not await new.write(slot, beat_of(host(1), 3))  # nobody knows yet whose it is
    await new.announce(host(1))
    assert await new.beat(beat_of(host(1), 4))
    await new.announce(host(2))
    assert await sequences(reader) == {0: 4}
    await init_db(database.dsn, TIMEOUT, agents=role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await old.execute(update)
    assert await new.beat(beat_of(host(1), 5))
    for each in (new, reader, old):
        await (each.close() if isinstance(each, asyncpg.Connection) else each.aclose())


async def test_tables_are_made_and_upgraded_where_everything_is_published(
    database: Database,
) -> None:
    """A table without a key takes no DELETE then, and no upgrade could be noted."""
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    await init_db(database.dsn, TIMEOUT)
    database.execute("DROP SCHEMA musterd CASCADE")
    await old_tables(database)
    async with both(database.dsn) as (writer, reader):
        await writer.announce(host(1))
        await writer.retire(host(1))
        await reader.retire(host(1))
    assert database.execute("SELECT version FROM musterd.schema_version") == str(VERSION)
    keyless = (
        "SELECT relname FROM pg_class c WHERE relnamespace = 'musterd'::regnamespace"
        " AND relkind = 'r' AND NOT EXISTS"
        " (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
    )
    assert database.execute(keyless) == ""


def init_db_by_shell(*argv: str, store: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "musterd", "init-db", *argv],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]} | ({"MUSTERD_STORE": store} if store else {}),
    )


def test_the_shell_is_told_of_a_role_that_does_not_exist(database: Database, role: str) -> None:
    done = init_db_by_shell("--agents", "nosuchrole", store=database.dsn)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "musterd: the server has no role 'nosuchrole': CREATE ROLE \"nosuchrole\" first\n"
    )
    done = init_db_by_shell("--agents", role, store=database.dsn)
    assert (done.returncode, done.stderr) == (0, "")


def test_printed_sql_gives_the_rights_of_whom_it_names(
    database: Database, hosts: tuple[str, str, str], role: str
) -> None:
    group = hosts[0]
    done = init_db_by_shell(
        "--print", "--agents-each", group, "--relays", role, "--coordinators", role
    )
    database.execute(done.stdout)
    may = "SELECT has_function_privilege('{}', 'musterd.beat(integer,bigint,bytea)', 'EXECUTE')"
    assert [database.execute(may.format(each)) for each in (group, role)] == ["t", "t"]
    assert database.execute("SELECT role FROM musterd.host_roles") == group
    assert (
        database.execute(f"SELECT has_table_privilege('{group}', 'musterd.beat', 'SELECT')") == "f"
    )
