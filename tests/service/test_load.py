"""`python -m benchmarks load` from end to end, with few members and little time."""

import json
import socket
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import pytest
from anyio import create_task_group, run, sleep
from benchmarks.load import main
from benchmarks.load.fleet import make_fleet, member, seated
from benchmarks.load.flow import Flow
from benchmarks.load.keyed_port import KeyedPort
from benchmarks.load.listeners import listener
from benchmarks.load.port import Port
from benchmarks.load.postgres_port import PostgresPort
from benchmarks.load.tally import Count

from musterd.stores import open_store
from musterd.stores.postgres.schema import init_db
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database, Memcached
from musterd_coordinator.sweep.base import open_reader

BRIEF = {"interval": 1.0, "service-down-time": 3.0, "sweep-period": 0.1, "duration": 6.5}
Load = Callable[..., Mapping[str, Any]]


def brief() -> list[str]:
    """Options of a run of a few seconds, and of more where the machine is busy."""
    longer = allowed_now(1.0)
    return ["--json", *(f"--{name}={longer * seconds:.2f}" for name, seconds in BRIEF.items())]


@pytest.fixture
def load(capsys: pytest.CaptureFixture[str]) -> Load:
    """Run with these arguments; give the JSON that was printed, and figures by name in it."""

    def load(*argv: str) -> Mapping[str, Any]:
        status = main([*argv, *brief()])
        printed = capsys.readouterr()
        assert status in (0, 1), printed.err
        found: dict[str, Any] = json.loads(printed.out)
        return found | {row["figure"]: row["median"] for row in found["figures"]}

    return load


def test_a_swarm_on_the_user_s_memcached(memcached: Memcached, load: Load) -> None:
    found = load("--store", memcached.url, "--agents", "40", "--processes", "2")
    assert found["beats"] > 40
    assert found["not_stored"] == found["unanswered"] == 0
    assert found["failed"] < found["beats"] / 10  # none, but on a machine that is very busy
    assert found["stopped, not found"] == found["false downs"] == 0
    assert found["latency p99"] > 0
    assert found["server CPU per beat"] > 0
    with socket.create_connection((memcached.host, memcached.port)) as client:
        client.sendall(b"stats items\r\n")
        assert client.recv(4096) == b"END\r\n"  # and leaves nothing behind


def test_a_swarm_on_the_user_s_postgresql(database: Database, load: Load) -> None:
    found = load("--store", database.dsn, "--agents", "40", "--processes", "1")
    assert found["beats"] > 40
    assert found["not_stored"] == found["unanswered"] == 0
    assert found["failed"] < found["beats"] / 10  # none, but on a machine that is very busy
    assert found["stopped, not found"] == found["false downs"] == 0
    assert found["WAL per beat"] >= 0
    assert database.dsn not in json.dumps(found)
    rows = "SELECT (SELECT count(*) FROM musterd.member), (SELECT count(*) FROM musterd.beat)"
    assert database.execute(rows) == "0|0"


def test_a_store_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"memcached://127.0.0.1:{nobody.getsockname()[1]}"
        assert main(["--store", url, "--agents", "10", *brief()]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "refused" in said[0]


async def _roster_of(port: Port, url: str) -> None:
    members = seated(make_fleet(3, 20, "fleet", seed=1), 0, 1.0, wall=1.0)
    await port.announce_all(members)
    if isinstance(port, KeyedPort):
        await port.count_slots(20)
    reader = open_reader(open_store(url, namespace="fleet", timeout=60.0, beat_ttl=60.0), 0, "c1")
    roster, beats = await reader.roster(), (await reader.sweep()).beats
    await reader.aclose()
    port.close()
    assert dict(roster.seated) == {number - 3: member(number) for number in range(3, 23)}
    identities = dict(zip(beats.slot.tolist(), beats.member_id.tolist(), strict=True))
    fleet = zip(members.slots.tolist(), members.fleet.member_id.tolist(), strict=True)
    assert identities == dict(fleet)
    assert set(beats.sequence.tolist()) == {1}


def test_a_coordinator_finds_what_was_announced_in_bulk(
    memcached: Memcached, database: Database
) -> None:
    run(_roster_of, KeyedPort(memcached.address, "fleet", 60), memcached.url)
    run(init_db, database.dsn, 10.0)
    run(_roster_of, PostgresPort(database.dsn, "fleet"), database.dsn)


async def _lose_everybody(port: Port, lose: Callable[[], object]) -> None:
    members = seated(make_fleet(0, 30, "fleet", seed=1), 0, 0.2, wall=1.0)
    await port.announce_all(members)
    count = Count(push_timeout=20.0)  # nothing fails because the machine is busy
    flow = Flow(members.fleet, port, port.script(members), 4, count)
    flow.take_interval(0.2)
    await flow.connect()
    lose()
    with in_time(20):
        async with create_task_group() as tasks:
            tasks.start_soon(flow.mend)
            since, turn = monotonic(), 0
            while count.tally.announced < 30 or count.tally.through < 100:
                await sleep(0.01)
                since, turn, before = monotonic(), turn + 1, since
                flow.tick(before, since, look=turn % 3 == 0)
            tasks.cancel_scope.cancel()
    flow.close()
    port.close()
    assert (count.tally.lost, count.tally.announced, count.tally.failed) == (30, 30, 0)


def test_members_that_a_server_lost_announce_themselves_again(
    memcached: Memcached, database: Database
) -> None:
    def flush() -> None:
        with socket.create_connection((memcached.host, memcached.port)) as client:
            client.sendall(b"flush_all\r\n")
            assert client.recv(100) == b"OK\r\n"

    run(_lose_everybody, KeyedPort(memcached.address, "fleet", 60), flush)
    run(init_db, database.dsn, 10.0)
    delete = "DELETE FROM musterd.beat"
    run(_lose_everybody, PostgresPort(database.dsn, "fleet"), lambda: database.execute(delete))


async def _hang(server: Memcached) -> None:
    port = KeyedPort(server.address, "fleet", 60)
    members = seated(make_fleet(0, 30, "fleet", seed=1), 0, 0.2, wall=1.0)
    await port.announce_all(members)
    count = Count(push_timeout=0.1)
    flow = Flow(members.fleet, port, port.script(members), 4, count)
    flow.take_interval(0.2)
    await flow.connect()
    server.pause()
    with in_time(20):
        async with create_task_group() as tasks:
            tasks.start_soon(flow.mend)
            since = monotonic()
            while not count.tally.reconnects or not count.tally.through:
                await sleep(0.01)
                since, before = monotonic(), since
                flow.tick(before, since, look=False)
                if count.tally.failed:
                    server.resume()
            tasks.cancel_scope.cancel()
    flow.close()
    port.close()
    assert "no answer within 0.1 s" in count.tally.reasons


def test_a_server_that_hangs_is_given_up_as_agents_do(memcached: Memcached) -> None:
    run(_hang, memcached)


def test_a_server_on_this_host_is_found_by_its_url(memcached: Memcached) -> None:
    assert listener(memcached.url) == memcached.pid
    assert listener("memcached://192.0.2.1:11211") is None
    assert listener("memcached://127.0.0.1:1,127.0.0.1:2") is None
