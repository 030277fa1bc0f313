"""These tests take Nova itself: `make nova` brings it, and only with --nova they run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from benchmarks.peers.asker import NovaAsker, Options
from benchmarks.peers.environment import nova_python

from musterd.model import State
from musterd.testing.daemons import Agent, Coordinator, NovaDaemon, Setting, Watch, all_in
from musterd.testing.servers import Memcached

TIME_LIMIT = 180.0
"""Seconds of one test: Nova takes five to start, and there are four ways to ask."""

HOSTS = ["h1", "h2", "h3"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all of them without --nova; deselected, so that nothing counts as skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        if item.get_closest_marker("time_limit") is None:
            item.add_marker(pytest.mark.time_limit(TIME_LIMIT))
    if not config.getoption("--nova"):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


StartNova = Callable[[Options], NovaAsker]


class Cloud:
    """A memcached, a coordinator and agents of hosts that are up; doors on demand."""

    def __init__(self, memcached: Memcached, stack: ExitStack) -> None:
        self.stack = stack
        self.memcached = memcached
        self.agents = {name: stack.enter_context(Agent(memcached.url, name)) for name in HOSTS}
        self.coordinator = stack.enter_context(Coordinator(memcached.url))
        Watch(self.coordinator).until(all_in(State.UP, *HOSTS), "up")

    @property
    def url(self) -> str:
        """Where its coordinator is asked."""
        return f"http://{self.coordinator.address}"

    def door(self, **settings: Setting) -> NovaDaemon:
        """A door that follows the coordinator."""
        return self.stack.enter_context(NovaDaemon(self.url, **settings))


@pytest.fixture
def cloud(memcached: Memcached, servers: ExitStack) -> Cloud:
    """Give a small cloud, all of it up."""
    return Cloud(memcached, servers)


@pytest.fixture(scope="session")
def python_of_nova() -> Path:
    """Give the Python that has Nova."""
    return nova_python()


@pytest.fixture
def start_nova(python_of_nova: Path) -> Iterator[StartNova]:
    """`start_nova(options_of(backend, address))` starts Nova's side."""
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(NovaAsker(python_of_nova, options))
