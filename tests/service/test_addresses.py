"""Names with several addresses, and several hosts, of which the first is no good: the next is used."""

import time

import anyio
import pytest

from musterd.errors import ShardRefused, ShardUnavailable
from musterd.stores import open_store
from musterd.stores.postgres.schema import init_db
from musterd.testing import CuttingProxy, FakeNames
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database, Memcached, Postgres
from musterd_coordinator.sweep.base import open_reader
from tests.conftest import StartPostgres
from tests.faults.postgres_standby import Standby
from tests.service.postgres_fleet import NAMESPACE, TIMEOUT, beat_of, canary, host
from tests.service.registries import opened
from tests.service.sweeps import swept, verdict_of_one_of
from tests.swallowing import swallowing

PUSH = 1.0


async def test_memcached_by_the_second_address(memcached: Memcached) -> None:
    push = allowed_now(PUSH)
    port = int(memcached.address.rpartition(":")[2])
    with swallowing("127.0.0.9", port), FakeNames({"cache.test": ["127.0.0.9", "127.0.0.1"]}):
        url = f"memcached://cache.test:{port}"
        store = open_store(url, namespace=NAMESPACE, timeout=push, beat_ttl=600)
        writer, reader = store.writer(0), open_reader(store, 0, "c1")
        began = time.monotonic()
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1)))
        assert await writer.renew() == ""  # where it is already
        assert time.monotonic() - began < 4 * push
        await reader.renew()
        assert await reader.write_canary(canary(1))
        await reader.roster()
        assert (await reader.sweep()).canary == canary(1)
        await writer.aclose()
        await reader.aclose()


async def test_postgresql_by_the_second_address(database: Database) -> None:
    push = allowed_now(PUSH)
    await init_db(database.dsn, TIMEOUT)
    address, _, port = database.server.address.rpartition(":")
    with swallowing("127.0.0.9", int(port)), FakeNames({"pg.test": ["127.0.0.9", address]}):
        url = database.dsn.replace(address, "pg.test")
        store = open_store(url, namespace=NAMESPACE, timeout=push, beat_ttl=600)
        writer, reader = store.writer(0), open_reader(store, 0, "c1")
        await writer.announce(host(1))
        assert await writer.beat(beat_of(host(1)))
        await reader.roster()
        assert await reader.write_canary(canary(1))
        assert (await reader.sweep()).canary == canary(1)
        await writer.aclose()
        await reader.aclose()


async def test_a_server_that_only_reads_is_left_for_the_next_host(
    start_postgres: StartPostgres, database: Database
) -> None:
    # As a standby refuses, and what was a primary before: found by the URL, and when told not to look.
    reads = start_postgres(**Postgres.cheap)
    reads.execute(f"CREATE DATABASE {database.name}")
    await init_db(database.dsn, TIMEOUT)
    await init_db(reads.dsn_of(database.name), TIMEOUT)
    reads.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    reads.execute("SELECT pg_reload_conf()")
    hosts = f"{reads.address},{database.server.address}"
    url = database.dsn.replace(database.server.address, hosts)
    for option in ("", "?target_session_attrs=any"):
        store = open_store(url + option, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600)
        writer = store.writer(0)
        for _ in range(2):
            try:
                await writer.announce(host(1))
                break
            except ShardRefused as error:
                assert "read-only" in error.reason  # noqa: PT017 (the next one need not refuse)
        assert await writer.beat(beat_of(host(1)))
        await writer.aclose()


async def test_two_primaries_are_no_store(
    start_postgres: StartPostgres, database: Database
) -> None:
    """As where the one of before was started again: agents may beat at either."""
    other = start_postgres(**Postgres.cheap)
    other.execute(f"CREATE DATABASE {database.name}")
    await init_db(database.dsn, TIMEOUT)
    hosts = f"{database.server.address},{other.address}"
    url = database.dsn.replace(database.server.address, hosts)
    reader = open_reader(
        open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600), 0, "c1"
    )
    said = await verdict_of_one_of(reader, range(1, 40))
    assert said.startswith(f"{' and '.join(sorted(hosts.split(',')))} take beats, each for itself")
    other.stop()
    assert await verdict_of_one_of(reader, range(40, 80), nothing=True) == ""
    await reader.aclose()


async def test_a_registry_is_opened_at_the_host_that_writes(start_postgres: StartPostgres) -> None:
    primary = start_postgres(**Postgres.cheap)
    primary.execute("CREATE DATABASE fleet")
    with Standby(primary) as standby:
        url = primary.dsn_of("fleet").replace(
            primary.address, f"{standby.address},{primary.address}"
        )
        async with opened(f"{url}?target_session_attrs=any"):
            assert primary.execute("SELECT count(*) FROM musterd.registry", "fleet") == "0"


async def test_a_connection_to_postgresql_follows_its_name(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    address, _, port = database.server.address.rpartition(":")
    async with CuttingProxy(address, int(port), listen_host="127.0.0.8", port=int(port)) as old:
        with FakeNames({"pg.test": ["127.0.0.8"]}) as names:
            url = database.dsn.replace(address, "pg.test")
            store = open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600)
            writer = store.writer(0)
            await writer.announce(host(1))
            assert await writer.renew() == ""
            assert old.connections == 1
            names["pg.test"] = [address]
            assert await writer.renew() == address
            with in_time(5):
                while old.connections:  # noqa: ASYNC110 (the proxy's own affair)
                    await anyio.sleep(0.01)
            assert await writer.beat(beat_of(host(1)))
            names["pg.test"] = ["127.0.0.7"]  # where nobody is: it stays where it works
            with pytest.raises(ShardUnavailable):
                await writer.renew()
            assert await writer.beat(beat_of(host(1), 2))
            await writer.aclose()


async def test_where_the_old_server_lives_nobody_is_judged_until_agents_came_over(
    start_postgres: StartPostgres, database: Database
) -> None:
    other = start_postgres(**Postgres.cheap)
    other.execute(f"CREATE DATABASE {database.name}")
    for dsn in (database.dsn, other.dsn_of(database.name)):
        await init_db(dsn, TIMEOUT)
    address, _, port = database.server.address.rpartition(":")
    other_address, _, other_port = other.address.rpartition(":")
    async with (
        CuttingProxy(address, int(port), listen_host="127.0.0.7") as old,
        CuttingProxy(other_address, int(other_port), listen_host="127.0.0.8", port=old.port),
    ):
        with FakeNames({"pg.test": ["127.0.0.7"]}) as names:
            url = database.dsn.replace(database.server.address, f"pg.test:{old.port}")
            store = open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600)
            writer, reader = store.writer(0), open_reader(store, 0, "c1")
            await writer.announce(host(1))
            await writer.beat(beat_of(host(1)))
            await reader.roster()  # makes the canary's tables sure
            await reader.renew()
            sweep = await swept(reader, 1)
            assert (sweep.complete, sweep.present) == (True, 1)
            names["pg.test"] = ["127.0.0.8"]
            await reader.renew()
            await swept(reader, 2)
            assert "another server" in (await swept(reader, 3)).reason
            await writer.renew()
            if not await writer.beat(beat_of(host(1), 2)):
                await writer.announce(host(1))
                await writer.beat(beat_of(host(1), 2))
            sweep = await swept(reader, 4)
            assert (sweep.complete, sweep.present, sweep.canary) == (True, 1, canary(4))
            await writer.aclose()
            await reader.aclose()
