"""From outside: a coordinator watches Nova's table, and no agent is anywhere."""

from contextlib import ExitStack

import pytest

from musterd.model import State
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Memcached, Postgres
from tests.service.nova_lab import nova_lab
from tests.system.nova_reports import reporting

HOSTS = [f"h{number:02}" for number in range(35)]
CONDUCTOR = ["c1"]


@pytest.mark.time_limit(120)  # a queue that is away for long, and a death
@pytest.mark.parametrize("dialect", ["mariadb", "postgresql"])
def test_a_stock_nova_is_watched(dialect: str) -> None:
    interval = allowed_now(1.0)
    muted = set[str]()
    with ExitStack() as stack:
        server = MariaDb(**MariaDb.cheap) if dialect == "mariadb" else Postgres(**Postgres.cheap)
        stack.enter_context(server)
        lab = stack.enter_context(nova_lab(server))
        lab.come(HOSTS)
        lab.come(CONDUCTOR, "conductor")
        store = f"{lab.url}?rpc_response_timeout={interval}"
        coordinator = stack.enter_context(
            Coordinator(
                *(store,),
                interval=interval,
                service_down_time=4 * interval,
                sweep_period=interval / 4,
            )
        )
        stack.enter_context(reporting(lab, interval, muted))
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, *HOSTS), "all up")
        watch.clear()
        muted |= set(HOSTS)
        watch.for_seconds(12 * interval)
        shards = {
            shard.shard.rpartition(" ")[2]: shard for shard in coordinator.client.status().shards
        }
        assert shards["direct"].listening
        assert "none of them reports in time" in shards["rpc"].reason
        assert {state for seen in watch.seen.values() for state in seen} == {State.UP}
        muted -= set(HOSTS[1:])
        watch.until(all_in(State.DOWN, HOSTS[0]), "down")
        assert {state for host in HOSTS[1:] for state in watch.seen[host]} == {State.UP}
        assert (
            "Nova" in coordinator.client.status().store
            or "nova" in coordinator.client.status().store
        )


@pytest.mark.time_limit(90)  # a death of nova-compute, beside an agent that lives
def test_an_agent_beside_tells_a_dead_host_from_a_dead_nova_compute() -> None:
    interval = allowed_now(1.0)
    muted = set[str]()
    with ExitStack() as stack:
        server = stack.enter_context(MariaDb(**MariaDb.cheap))
        beats = stack.enter_context(Memcached())
        lab = stack.enter_context(nova_lab(server))
        lab.come(HOSTS)
        lab.come(CONDUCTOR, "conductor")
        fleet = {"interval": interval, "service_down_time": 4 * interval}
        coordinator = stack.enter_context(
            Coordinator(
                beats.url,
                watch=f"{lab.url}?rpc_response_timeout={interval}",
                sweep_period=interval / 4,
                **fleet,
            )
        )
        stack.enter_context(Agent(beats.url, HOSTS[0], group="host", **fleet))
        stack.enter_context(reporting(lab, interval, muted))
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, *HOSTS), "all up")
        watch.until(lambda _: coordinator.states("host") == {HOSTS[0]: State.UP}, "its host up")
        muted |= {HOSTS[0]}
        watch.until(all_in(State.DOWN, HOSTS[0]), "down")
        assert coordinator.states("host") == {HOSTS[0]: State.UP}
        shards = [shard.shard.rpartition(" ")[2] for shard in coordinator.client.status().shards]
        assert shards == [beats.address, "direct", "rpc"]
