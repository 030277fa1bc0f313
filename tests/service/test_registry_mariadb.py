"""What a registry in MariaDB alone does."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
import pytest

from musterd.errors import RegistryError, ShardUnavailable
from musterd.model import Facts
from musterd.stores.mysql.schema import STEPS
from musterd.stores.mysql.session import MySqlSession, Session
from musterd.stores.mysql.url import parse_url
from musterd.testing import CuttingProxy
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd_coordinator.registry import mysql_sql as sql
from musterd_coordinator.registry.base import Gone
from tests.service.registries import (
    TIMEOUT,
    by_name,
    change,
    entry,
    gone,
    loaded,
    open_at,
    opened,
    record,
    set_facts,
)

T = TypeVar("T")


async def waiting_for_a_lock(database: MariaDatabase) -> None:
    """Return once some transaction waits for another one's lock."""
    waiting = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"
    with in_time(10):
        while True:
            if await anyio.to_thread.run_sync(database.execute, waiting) != "0":
                return
            await anyio.sleep(0.05)


@contextmanager
def by_hand(maria: MariaDatabase) -> Iterator[MySqlSession]:
    link = MySqlSession(parse_url(maria.url), TIMEOUT)
    try:
        yield link
    finally:
        link.close()


@pytest.fixture
def mariadb_of_mine() -> Iterator[MariaDb]:
    """A server that this test may stop, and kill."""
    with MariaDb(innodb_flush_method="nosync") as server:
        yield server


async def heard(call: Callable[[], Awaitable[T]]) -> T:
    """What ``call`` returns once the registry is there again."""
    with in_time(10):
        while True:
            try:
                return await call()
            except RegistryError:
                await anyio.sleep(0.05)


async def touch(session: Session, name: str) -> None:
    await session.once(
        "UPDATE musterd_registry SET owner = CONCAT(owner, '!') WHERE name = ?", (name,)
    )


async def test_an_order_waits_for_one_that_has_a_number_and_none_is_missed(
    maria: MariaDatabase, maria_url: str
) -> None:
    async with opened(maria_url) as one, opened(maria_url) as two:
        await record(one, [entry("a"), entry("b")])
        await loaded(two)
        with by_hand(maria) as late:
            async with anyio.create_task_group() as tasks, late.transaction() as session:
                await session.once(sql.COUNT)
                [(number,)] = (await session.once(sql.NUMBER)).rows
                values = '{"disabled": true}', number, 0, b"fleet", b"compute", b"a"
                await session.once(sql.CHANGE_FACTS, values)
                tasks.start_soon(set_facts, one, "b", Facts(zone="x"))
                await waiting_for_a_lock(maria)
                assert list(await two.changed()) == []
        news = by_name(await two.changed())
        assert {name: each.facts for name, each in news.items()} == {
            "a": Facts(disabled=True),
            "b": Facts(zone="x"),
        }
        assert list(await two.changed()) == []


async def test_an_order_that_a_deadlock_ends_is_given_again(
    maria: MariaDatabase, maria_url: str
) -> None:
    names = [f"h{number}" for number in range(50)]
    async with opened(maria_url) as one:
        await record(one, [*map(entry, "ab"), *map(entry, names)])
        with by_hand(maria) as other:
            async with anyio.create_task_group() as tasks, other.transaction() as session:
                for name in (*names, "b"):  # the one that changed less is ended
                    await touch(session, name)
                tasks.start_soon(one.forget, [("compute", "a"), ("compute", "b")])
                await waiting_for_a_lock(maria)
                await touch(session, "a")
        assert "LATEST DETECTED DEADLOCK" in maria.execute("SHOW ENGINE INNODB STATUS")
        assert set(by_name(await loaded(one))) == set(names)


async def test_who_lost_its_power_in_a_transaction_holds_up_no_order_for_long(
    maria: MariaDatabase, maria_url: str
) -> None:
    async with opened(maria_url, timeout=allowed_now(10.0)) as registry:
        await record(registry, [entry("a")])
        stalled = MySqlSession(parse_url(maria.url), 1.0)

        async def stall() -> None:
            async with stalled.transaction(allowed_now(60.0)) as session:
                await touch(session, "a")
                await set_facts(registry, "a", Facts(disabled=True))

        with pytest.raises(ShardUnavailable, match="connection lost"):
            await stall()
        stalled.close()
        assert by_name(await loaded(registry))["a"].facts == Facts(disabled=True)


async def in_another_second(server: MariaDb) -> None:
    """Return once a server that starts now has begun in another second than ``server`` did."""
    with in_time(10):
        while True:
            if await status(server, "Uptime") >= 2:
                return
            await anyio.sleep(0.05)


async def test_another_life_of_the_server_is_read_anew(mariadb_of_mine: MariaDb) -> None:
    with mariadb_of_mine.database() as database:
        async with opened(database.url) as one, opened(database.url, coordinator="two") as two:
            await record(one, [entry("a"), entry("b")])
            assert set(by_name(await two.changed())) == {"a", "b"}
            await one.forget([("compute", "b")])
            [forgotten] = await two.changed()
            await in_another_second(mariadb_of_mine)
            mariadb_of_mine.stop()
            mariadb_of_mine.start()
            news = await heard(two.changed)
            assert forgotten in news
            assert set(by_name([each for each in news if not isinstance(each, Gone)])) == {"a"}
            assert list(await two.changed()) == []


async def test_a_server_that_is_read_only_is_no_registry_and_says_so(
    mariadb_of_mine: MariaDb,
) -> None:
    with mariadb_of_mine.database() as database:
        async with opened(database.url) as registry:
            await record(registry, [entry("a")])
            mariadb_of_mine.execute("SET GLOBAL read_only = 1")
            where = rf"registry {mariadb_of_mine.address}/.* is read-only"
            for call in (
                lambda: record(registry, [entry("a")], [change("a", 1)]),
                lambda: set_facts(registry, "a", Facts(disabled=True)),
                registry.changed,
            ):
                with pytest.raises(RegistryError, match=where):
                    await call()
            mariadb_of_mine.execute("SET GLOBAL read_only = 0")
            await set_facts(registry, "a", Facts(disabled=True))
            assert await registry.history("compute", "a", 9) == []


async def test_the_next_host_is_taken_where_one_is_read_only(
    maria: MariaDatabase, mariadb_of_mine: MariaDb
) -> None:
    mariadb_of_mine.execute("\n".join((f"CREATE DATABASE {maria.name}; USE {maria.name};", *STEPS)))
    mariadb_of_mine.execute("SET GLOBAL read_only = 1")
    both = f"{mariadb_of_mine.address},{maria.server.address}"
    async with opened(maria.url.replace(maria.server.address, both)) as registry:
        await record(registry, [entry("a")])
        assert set(by_name(await loaded(registry))) == {"a"}
    assert maria.execute("SELECT COUNT(*) FROM musterd_registry") == "1"


async def test_a_question_that_one_host_does_not_answer_is_put_to_the_next(
    maria: MariaDatabase,
) -> None:
    server = maria.server
    async with (
        CuttingProxy(server.host, server.port) as first,
        CuttingProxy(server.host, server.port) as second,
    ):
        both = f"{first.address},{second.address}"
        timeout = allowed_now(2.0)
        async with opened(maria.url.replace(server.address, both), timeout=timeout) as registry:
            await record(registry, [entry("a")])
            assert second.accepted == 0
            first.replies.stall()
            assert await registry.history("compute", "a", 9) == []
            assert second.accepted == 1


async def test_a_server_that_is_away_is_an_error_in_words(mariadb_of_mine: MariaDb) -> None:
    with mariadb_of_mine.database() as database:
        async with opened(database.url, timeout=allowed_now(3.0)) as registry:
            await record(registry, [entry("a")])
            mariadb_of_mine.kill()
            with pytest.raises(RegistryError, match=r"registry 127\.0\.0\.1"):
                await registry.changed()
            with pytest.raises(RegistryError):  # the connection of batches is found lost
                await loaded(registry)
            with pytest.raises(RegistryError, match="connection refused"):
                await loaded(registry)
            mariadb_of_mine.start()
            assert list(by_name(await heard(lambda: loaded(registry)))) == ["a"]


async def test_an_account_without_rights_says_what_to_do(maria: MariaDatabase) -> None:
    user = f"{maria.name}_r"
    maria.execute(
        f"CREATE USER {user} IDENTIFIED BY 'pw'; GRANT SELECT ON musterd_schema TO {user}"
    )
    try:
        registry = open_at(maria.server.url_of(maria.name, user, "pw"))
        with pytest.raises(RegistryError, match="musterd init-db --print"):
            await loaded(registry)
        await registry.aclose()
    finally:
        maria.execute(f"DROP USER {user}")


@pytest.mark.parametrize(
    "damage", ["facts = '[]'", "state = 'asleep'", "zone = x'ff'", "interval_s = -1"]
)
async def test_a_row_that_makes_no_sense_is_left_out(
    maria: MariaDatabase, maria_url: str, damage: str
) -> None:
    async with opened(maria_url) as one, opened(maria_url) as two:
        await record(one, [entry("a"), entry("b")])
        maria.execute(f"UPDATE musterd_registry SET {damage} WHERE name = 'a'")
        assert set(by_name(await two.changed())) == {"b"}
        assert set(by_name(await loaded(one))) == {"b"}
        for each in (one, two):
            assert "compute/a" in each.quarantine


async def test_a_name_that_is_no_text_holds_up_no_comparison(
    maria: MariaDatabase, maria_url: str
) -> None:
    async with opened(maria_url) as registry:
        await record(registry, [entry("a"), entry("b")])
        maria.execute("UPDATE musterd_registry SET name = x'61ff' WHERE name = 'a'")
        names = await registry.names_after("", "", 1)
        assert await registry.look_up(names) == []
        assert await registry.names_after(*names[0], 9) == [("compute", "b")]
        assert set(by_name(await loaded(registry))) == {"b"}


async def test_names_are_the_same_only_byte_by_byte(maria_url: str) -> None:
    names = ["a", "A", "ä"]
    async with opened(maria_url) as one, opened(maria_url) as two:
        await record(one, map(entry, names))
        await one.forget([("compute", "A")])
        assert gone(await two.changed()) == [("compute", "A")]
        assert set(by_name(await loaded(two))) == {"a", "ä"}


async def test_a_look_for_news_takes_two_statements_and_any_other_read_as_many(
    mariadb_of_mine: MariaDb,
) -> None:
    """Each is a round trip, and a coordinator looks once a second."""
    with mariadb_of_mine.database() as database:
        async with opened(database.url) as registry:
            await record(registry, [entry("a")])
            calls: list[Callable[[], Awaitable[object]]] = [
                registry.changed,
                lambda: registry.history("compute", "a", 9),
                registry.tokens.all,
            ]
            for call in calls:
                await call()  # prepares its statements
                told = [await status(mariadb_of_mine, "Questions") for _ in range(2)]
                await call()
                told.append(await status(mariadb_of_mine, "Questions"))
                to_ask, with_call = told[1] - told[0], told[2] - told[1]
                assert with_call - to_ask == 2


async def status(server: MariaDb, name: str) -> int:
    told = f"SHOW GLOBAL STATUS LIKE '{name}'"
    return int((await anyio.to_thread.run_sync(server.execute, told)).split()[-1])
