"""From outside: eight agents and a coordinator as separate processes, on every store."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from musterd.model import State
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
from musterd.testing.servers import Database, held_port, memcached_url
from tests.conftest import StartMemcached

NAMES = [f"host-{number}" for number in range(8)]
KILLED, STOPPED, ALIVE = NAMES[:2], NAMES[2:3], NAMES[3:]


@pytest.fixture(params=["embedded", "memcached", "three memcacheds", "postgresql"])
def store(request: pytest.FixtureRequest, start_memcached: StartMemcached) -> Iterator[str]:
    """The URL of each kind of store."""
    with ExitStack() as stack:
        match request.param:
            case "embedded":
                yield f"embedded://127.0.0.1:{stack.enter_context(held_port())}"
            case "memcached":
                yield start_memcached().url
            case "three memcacheds":
                yield memcached_url(*(start_memcached() for _ in range(3)), replicas=2)
            case "postgresql":
                database: Database = request.getfixturevalue("database")
                yield database.dsn


def test_a_fleet_from_birth_to_death(store: str) -> None:
    with ExitStack() as stack:
        coordinator = stack.enter_context(Coordinator(store))
        agents = {name: stack.enter_context(Agent(store, name)) for name in NAMES}
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, *NAMES), "all up")
        watch.clear()

        for name in KILLED:
            agents[name].kill()
        watch.until(all_in(State.DOWN, *KILLED), "down")

        for name in STOPPED:
            agents[name].stop()
        watch.until(all_in(State.LEFT, *STOPPED), "left")

        watch.for_seconds(1.0)
        assert {name: watch.seen[name] for name in ALIVE} == {name: {State.UP} for name in ALIVE}
        answer = coordinator.client.query("compute", [*NAMES, "host-99"])
        assert answer.not_found == ["host-99"]
        assert {name for name, verdict in answer.members.items() if verdict.up} == set(ALIVE)
        assert {name for name, verdict in answer.members.items() if verdict.down} == {
            *KILLED,
            *STOPPED,
        }
        for name in ALIVE:
            changes = coordinator.client.history("compute", name).changes
            assert [change.new for change in changes] == [State.UP]
