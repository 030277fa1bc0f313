"""What MariaDB alone does as a store."""

from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from asyncmy.errors import MySQLError

from musterd import cli
from musterd.errors import ConfigError, ShardRefused, StoreError
from musterd.stores import open_store
from musterd.stores.mysql.schema import VERSION, init_db
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url
from musterd.testing.mariadb import SUPERUSER, MariaDb
from musterd.urls import without_secret
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts, run
from tests.contract.database_lab import of
from tests.contract.labs import AGENTS, PATIENT
from tests.contract.mariadb_lab import MariaLab

on_mariadb = pytest.mark.parametrize("store_kind", ["mariadb"])


@on_mariadb
async def test_a_server_that_answers_reads_and_refuses_writes_is_not_listened_to(
    lab: MariaLab,
) -> None:
    store = lab.open()
    agent, coordinator = Agent(store, hosts(3)), Coordinator(store)
    async with closing_all(agent, coordinator):
        assert (await run([agent], coordinator, 1)).proven
        lab.database.execute("SET GLOBAL read_only = 1")
        try:
            with pytest.raises(ShardRefused, match="read-only"):
                await coordinator.look()
            with pytest.raises(ShardRefused, match="read-only"):
                await agent.tick()
        finally:
            lab.database.execute("SET GLOBAL read_only = 0")
        assert (await run([agent], coordinator, 1)).proven


@on_mariadb
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM musterd_beat",
        "UPDATE musterd_beat SET record = ''",
        "DELETE FROM musterd_member",
        "SELECT * FROM musterd_challenge",
        "CREATE TABLE mine (a INT)",
    ],
)
async def test_agents_touch_no_table(lab: MariaLab, statement: str) -> None:
    link = MySqlSession(parse_url(lab.database.server.url_of(lab.database.name, AGENTS)), PATIENT)
    try:
        with pytest.raises(ShardRefused, match="denied"):
            async with link.session() as session:
                await session.order(statement)
    finally:
        link.close()


@on_mariadb
async def test_a_member_belongs_to_the_account_that_announced_it(lab: MariaLab) -> None:
    server = lab.database.server
    agent = Agent(lab.open(), [host(1)])
    foreign = Agent(
        open_store(
            server.url_of(lab.database.name), namespace="fleet", timeout=PATIENT, beat_ttl=600.0
        ),
        [host(1)],
    )
    async with closing_all(agent, foreign):
        await agent.tick()
        with pytest.raises(ShardRefused, match="belongs to another account"):
            await foreign.tick()
        await foreign.writers[0].retire(host(1))
        assert await agent.writers[0].beat(agent.beat_of(host(1)))


@on_mariadb
@pytest.mark.parametrize(
    "begin", ["START TRANSACTION", "SET autocommit = 0", "XA START 'x'"], ids=["begun", "off", "XA"]
)
@pytest.mark.parametrize(
    "call",
    [
        "musterd_beat({slot}, {who}, '')",
        "musterd_beat_look({slot}, {who}, '', 'fleet', NULL, NULL)",
        "musterd_announce({who}, 'fleet', 'compute', 'host-0001', 'z', '', '{{}}', 0, NULL)",
        "musterd_retire({who})",
    ],
    ids=["beat", "look", "announce", "retire"],
)
async def test_nothing_that_an_agent_calls_leaves_a_lock(
    lab: MariaLab, begin: str, call: str
) -> None:
    agent, coordinator = Agent(lab.open(), hosts(2)), Coordinator(lab.open())
    attacker = MySqlSession(parse_url(lab.url_of(AGENTS)), PATIENT)
    async with closing_all(agent, coordinator):
        await agent.tick()
        slot, who = lab.execute(f"SELECT slot, member_id FROM {{beat}} {of(host(1))}").split()
        async with attacker.session() as session:
            await session.order(begin)
            with suppress(MySQLError):  # some it may not call there
                await session.order(f"CALL {call.format(slot=slot, who=who)}")
            locked = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_rows_locked > 0"
            assert lab.execute(locked) == "0"
        attacker.close()
        look = await run([agent], coordinator, 2)
        assert set(look.sequences.values()) == {3}


async def test_the_tables_are_made_once_whoever_makes_them(contract_mariadb: MariaDb) -> None:
    with contract_mariadb.database() as database:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(init_db, database.url, PATIENT)
        await init_db(database.url, PATIENT)
        assert database.execute("SELECT MAX(version) FROM musterd_schema") == str(VERSION)
        with pytest.raises(ConfigError, match="CREATE USER first"):
            await init_db(database.url, PATIENT, agents="nobody_yet")
        database.execute("INSERT INTO musterd_schema VALUES (99)")
        with pytest.raises(ShardRefused, match="upgrade this musterd"):
            await init_db(database.url, PATIENT)


@pytest.mark.parametrize(
    ("user", "database", "reason"),
    [
        ("nobody", "mysql", "login refused"),
        ("musterd_dba", "nowhere", "CREATE DATABASE"),
        ("musterd_dba", "information_schema", "init-db"),
    ],
)
async def test_what_is_refused_says_what_to_do(
    contract_mariadb: MariaDb, user: str, database: str, reason: str
) -> None:
    url = contract_mariadb.url_of(database, user)
    agent = Agent(open_store(url, namespace="fleet", timeout=PATIENT, beat_ttl=600.0), [host(1)])
    async with closing_all(agent):
        with pytest.raises(StoreError, match=reason) as caught:
            await agent.tick()
    assert caught.value.shard == f"{contract_mariadb.address}/{database}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://u@h", "names no database"),
        ("mysql://h/db", "names no user"),
        ("mysql://u:p/w@h/db", "mean something else"),
        ("mysql://u@/db", "needs a host or a unix_socket"),
        ("mysql://u@h:x/db", "no host or host:port"),
        ("mysql://u@h/db?sslmode=require", "option 'sslmode' is not one of"),
        ("mariadb://u@/db?unix_socket=run", "no absolute path"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        parse_url(url)
    assert "p/w" not in str(caught.value)


def option_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "text",
    ["[client]\npassword={}\n", "# ours\n[mysqld]\nskip-slave\n[client]\nssl\npassword = '{}'\n"],
)
async def test_a_password_is_in_a_file_of_its_own(
    contract_mariadb: MariaDb, tmp_path: Path, text: str
) -> None:
    """It is read at each connect; one that is no longer there is said, and no reason to end."""
    path = option_file(tmp_path / "db.cnf", text.format("another"))
    where = f"{contract_mariadb.address}/mysql?read_default_file={path}"
    link = MySqlSession(parse_url(f"mysql://{SUPERUSER}@{where}"), 5.0)
    try:
        with pytest.raises(ShardRefused, match="login refused"):
            await link.server()
        option_file(path, text.format(contract_mariadb.password))
        await link.server()
        path.unlink()
        await link.server()
        with pytest.raises(ShardRefused, match="cannot read the option file of MariaDB"):
            await link.renew()
    finally:
        link.close()


@pytest.mark.parametrize(
    ("text", "login", "why"),
    [
        ("[client]\npassword\n", "u", r"no line password=… in a section \[client\]"),
        ("[mysqld]\npassword=x\n", "u", "no line password"),
        ("s3cret", "u", r"is no text with \[SECTION\]"),
    ],
)
def test_a_file_without_a_password_is_refused(
    tmp_path: Path, text: str, login: str, why: str
) -> None:
    path = option_file(tmp_path / "db.cnf", text)
    url = f"mysql://{login}@h/d?read_default_file={path}"
    with pytest.raises(ConfigError, match=why) as caught:
        parse_url(url)
    assert "s3cret" not in str(caught.value)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        parse_url(url)


def test_a_url_leads_to_several_hosts_or_to_a_socket() -> None:
    target = parse_url("mysql://u:p%2Fw@db1,[::1]:3307/fleet")
    assert target.name == "db1:3306,[::1]:3307/fleet"
    assert (target.password(), target.address(1), target.address(2)) == (
        "p/w",
        ("::1", 3307),
        ("db1", 3306),
    )
    assert parse_url("mariadb://u@/fleet?unix_socket=/run/m").name == "/run/m/fleet"


def test_the_command_makes_the_tables_and_says_so_without_the_password(
    contract_mariadb: MariaDb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contract_mariadb.database() as database:
        file = tmp_path / "musterd.toml"
        file.touch(mode=0o600)
        file.write_text(f'store = "{database.url}"\n')
        assert cli.main(["init-db", "--config", str(file)]) == 0
        assert database.execute("SELECT MAX(version) FROM musterd_schema") == str(VERSION)
    said = capsys.readouterr().out
    assert said == f"the tables in {without_secret(database.url)} are ready\n"
