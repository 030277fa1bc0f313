"""From outside: a relay is killed and the other one stopped, and no live member ever looks dead."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from musterd.model import State
from musterd.testing.agent_process import COMMAND, AgentProcess
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Agent, Coordinator, Relay, Watch, all_in
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Database

NAMES = [f"host-{number}" for number in range(4)]


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of an empty database of each kind."""
    if request.param == "postgresql":
        database: Database = request.getfixturevalue("database")
        yield database.dsn
        return
    with MariaDb(**MariaDb.cheap) as server, server.database() as maria:
        yield maria.url


@pytest.mark.time_limit(90)  # a fleet, deaths of members, and of a relay
def test_a_fleet_behind_two_relays(url: str) -> None:
    down_time = allowed_now(2.0)  # so that nobody is silent because the machine is busy
    fleet = {"service_down_time": down_time, "interval": down_time / 4}
    with ExitStack() as stack:
        coordinator = stack.enter_context(
            Coordinator(url, service_down_time=down_time, sweep_period=down_time / 8)
        )
        relays = [stack.enter_context(Relay(url, **fleet)) for _ in range(2)]
        by_relay = f"relay://{','.join(relay.address for relay in relays)}"
        agents = {name: stack.enter_context(Agent(by_relay, name, **fleet)) for name in NAMES}
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, *NAMES), "all up")
        watch.clear()

        relays[0].kill()
        agents[NAMES[0]].kill()
        watch.until(all_in(State.DOWN, NAMES[0]), "down")
        agents[NAMES[1]].stop()
        watch.until(all_in(State.LEFT, NAMES[1]), "left")
        relays[1].stop()
        watch.for_seconds(1.5 * down_time)
        [shard] = coordinator.client.status().shards
        assert (shard.listening, shard.reason) == (False, "no relay is writing")
        assert {name: watch.seen[name] for name in NAMES[2:]} == {
            name: {State.UP} for name in NAMES[2:]
        }
        assert relays[1].log.count("relay stopping") == 1


@pytest.mark.parametrize("store", ["relay://127.0.0.1:9", "memcached://127.0.0.1:9"])
def test_nobody_else_works_without_the_database(store: str, tmp_path: object) -> None:
    """A coordinator cannot read a relay, and a relay cannot write to memcached."""
    command = (*COMMAND, "coordinator" if store.startswith("relay") else "relay")
    environ = {"MUSTERD_REGISTRY": f"sqlite:///{tmp_path}/r.db", "MUSTERD_LISTEN": "127.0.0.1:0"}
    with AgentProcess(store, command=command, environ=environ) as process:
        status, _ = process.wait_exit()
        assert status == 2
        [line] = process.output.splitlines()
        assert "postgresql://" in line


def test_tells_systemd_when_it_is_ready_and_how_it_goes(url: str) -> None:
    environ = {"MUSTERD_RELAY_LISTEN": "127.0.0.1:0", "WATCHDOG_USEC": "400000"}
    command = (*COMMAND, "relay")
    with AgentProcess(url, command=command, environ=environ) as relay:
        relay.wait_for("store lost: no musterd tables")
        relay.wait_for("run 'musterd init-db'")
        with ExitStack() as stack:
            stack.enter_context(Coordinator(url))
            relay.wait_for("READY=1")
        relay.wait_for("WATCHDOG=1\nSTATUS=0 connections, 0 beats/s, last batch 0 ms, 0 refused")
        status, seconds = relay.stop()
        assert status == 0
        assert seconds < allowed_now(3.0)
        relay.wait_for("STOPPING=1")
