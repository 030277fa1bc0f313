"""What MySQL does otherwise than MariaDB as a store."""

import pytest

from musterd.errors import ShardRefused
from musterd.stores.mysql.schema import VERSION, init_db
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url
from musterd.testing.mysql import MySql


async def log_in(server: MySql, user: str, password: str) -> None:
    link = MySqlSession(parse_url(server.url_of("mysql", user, password)), 10.0)
    try:
        await link.server()
    finally:
        link.close()


async def test_who_comes_plain_gives_the_password_for_the_servers_key(mysql: MySql) -> None:
    """Once the server remembers the account it takes a digest; until it forgets."""
    mysql.execute("CREATE USER agent IDENTIFIED BY 'pä€word'; GRANT SELECT ON mysql.* TO agent")
    for _ in range(2):
        await log_in(mysql, "agent", "p%C3%A4%E2%82%ACword")
        await log_in(mysql, "agent", "p%C3%A4%E2%82%ACword")
        mysql.execute("FLUSH PRIVILEGES")
    with pytest.raises(ShardRefused, match="login refused"):
        await log_in(mysql, "agent", "wrong")


async def test_tables_have_the_keys_that_groups_want(mysql: MySql) -> None:
    mysql.execute("SET GLOBAL sql_require_primary_key = ON")
    with mysql.database() as database:
        await init_db(database.url, 30.0)
        assert database.execute("SELECT MAX(version) FROM musterd_schema") == str(VERSION)


async def test_what_reads_too_long_is_ended(mysql: MySql) -> None:
    """MySQL limits nothing else."""
    link = MySqlSession(parse_url(mysql.url_of("mysql")), 3.0)
    try:
        async with link.session() as session:
            [(limit, idle)] = (
                await session.once("SELECT @@max_execution_time, @@SESSION.wait_timeout")
            ).rows
            assert (limit, idle) == (3000, 900)
        async with link.transaction() as session:
            [(idle,)] = (await session.once("SELECT @@SESSION.wait_timeout")).rows
            assert idle == 6
    finally:
        link.close()
