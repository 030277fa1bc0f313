"""MariaDB on several hosts: whichever takes changes is used, and a change of it accuses nobody."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from musterd.errors import StoreError
from musterd.stores import ShardWriter, open_store
from musterd.stores.link import NotWritable
from musterd.stores.mysql.schema import STEPS, init_db
from musterd.testing import CuttingProxy, FakeNames
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd_coordinator.sweep.base import ShardReader, open_reader
from tests.service.postgres_fleet import NAMESPACE, TIMEOUT, beat_of, canary, host
from tests.service.secured import beats_at, opened, refused_at, seen_at
from tests.service.sweeps import swept, verdict_of_one_of


@pytest.fixture(scope="module")
def other_server() -> Iterator[MariaDb]:
    """Run another MariaDB, which tests may make read-only."""
    with MariaDb(**MariaDb.cheap) as server:
        yield server


@pytest.fixture
def other(maria: MariaDatabase, other_server: MariaDb) -> Iterator[MariaDatabase]:
    """Give a database of the same name there, with musterd's tables."""
    other_server.execute(f"CREATE DATABASE {maria.name}")
    database = MariaDatabase(other_server, maria.name)
    database.execute("\n".join(STEPS))
    yield database
    other_server.execute(f"SET GLOBAL read_only = 0; DROP DATABASE {maria.name}")


def at(database: MariaDatabase, *addresses: str) -> str:
    """The URL of a database at these addresses, for its superuser."""
    return database.url.replace(database.server.address, ",".join(addresses))


@asynccontextmanager
async def both(url: str) -> AsyncIterator[tuple[ShardWriter, ShardReader]]:
    """An agent's way and a coordinator's."""
    store = open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600)
    writer, reader = store.writer(0), open_reader(store, 0, "c1")
    try:
        yield writer, reader
    finally:
        await writer.aclose()
        await reader.aclose()


async def test_a_server_that_is_read_only_is_passed_over(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    """At once, and for reading too, though the user is one for whom it makes an exception."""
    other.server.execute("SET GLOBAL read_only = 1")
    url = at(maria, other.server.address, maria.server.address)
    await beats_at(opened(url))
    assert await seen_at(opened(url)) == ["host-1"]
    assert other.execute("SELECT COUNT(*) FROM musterd_beat") == "0"


async def test_a_server_that_is_away_is_passed_over(maria: MariaDatabase) -> None:
    url = at(maria, "127.0.0.1:1", maria.server.address)
    await beats_at(opened(url))
    assert await seen_at(opened(url)) == ["host-1"]


async def test_where_no_host_takes_changes_each_says_why(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    other.server.execute("SET GLOBAL read_only = 1")
    url = at(maria, "127.0.0.1:1", other.server.address)
    for reason in await refused_at(opened(url)):
        assert reason.startswith("127.0.0.1:1: connection refused; ")
        assert f"{other.server.address} is read-only" in reason


async def test_a_server_that_takes_no_changes_any_more_is_left(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    async with both(at(maria, other.server.address, maria.server.address)) as (writer, _):
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1)))
        other.server.execute("SET GLOBAL read_only = 1")
        with pytest.raises(NotWritable, match=f"{other.server.address} is read-only"):
            await writer.beat(beat_of(host(1), 2))
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1), 3))
    assert maria.execute("SELECT COUNT(*) FROM musterd_beat") == "1"


async def test_two_servers_that_both_take_changes_are_no_store(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    """As a replica that is not read-only, or the primary of before, started again."""
    async with both(at(maria, maria.server.address, other.server.address)) as (_, reader):
        assert "each for itself" in await verdict_of_one_of(reader, range(1, 40))
        other.server.execute("SET GLOBAL read_only = 1")
        assert await verdict_of_one_of(reader, range(40, 80), nothing=True) == ""


@asynccontextmanager
async def moving(
    maria: MariaDatabase, other: MariaDatabase
) -> AsyncIterator[tuple[FakeNames, ShardWriter, ShardReader]]:
    """A name that leads to the one, and then to the other, where the same rows are."""
    for database in (maria, other):
        await init_db(database.url, TIMEOUT)
        async with both(database.url) as (writer, _):
            await writer.announce(host(1))
            await writer.beat(beat_of(host(1)))
    one, two = maria.server, other.server
    async with (
        CuttingProxy(one.host, one.port, listen_host="127.0.0.7") as old,
        CuttingProxy(two.host, two.port, listen_host="127.0.0.8", port=old.port),
    ):
        with FakeNames({"db.test": ["127.0.0.7"]}) as names:
            async with both(at(maria, f"db.test:{old.port}")) as (writer, reader):
                await writer.announce(host(1))
                await writer.beat(beat_of(host(1), 2))
                await swept(reader, 1)
                await reader.renew()
                sweep = await swept(reader, 2)
                assert (sweep.complete, sweep.present) == (True, 1)
                yield names, writer, reader


async def test_where_the_old_server_lives_nobody_is_judged_until_agents_came_over(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    """That their rows are there says nothing: the old server may have brought them."""
    async with moving(maria, other) as (names, writer, reader):
        names["db.test"] = ["127.0.0.8"]
        await reader.renew()
        await swept(reader, 3)
        await writer.beat(beat_of(host(1), 3))  # at the old one
        for sequence in (4, 5):
            assert "another server" in (await swept(reader, sequence)).reason
        await writer.renew()
        assert await writer.beat(beat_of(host(1), 4))
        sweep = await swept(reader, 6)
        assert (sweep.complete, sweep.present, sweep.canary) == (True, 1, canary(6))


async def test_an_old_server_that_takes_no_beats_is_not_waited_for(
    maria: MariaDatabase, other: MariaDatabase
) -> None:
    async with moving(other, maria) as (names, _, reader):
        other.server.execute("SET GLOBAL read_only = 1")
        with pytest.raises(StoreError, match="read-only"):
            await reader.write_canary(canary(3))
        names["db.test"] = ["127.0.0.8"]
        await reader.renew()
        await swept(reader, 4)
        assert (await swept(reader, 5)).complete
