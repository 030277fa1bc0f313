"""How much of the fault lab is run, and with what: see `make faults`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from benchmarks.peers.environment import nova_python

from tests.conftest import StartMariaDb, StartMemcached, StartPgBouncer, StartPostgres
from tests.faults.lab import Lab
from tests.faults.locks import Locked, Open

StartLab = Callable[..., Lab]

TIME_LIMIT = 180.0
"""Seconds for a fleet to start, to have its trouble, to be well again and to lose a host once more."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Listening time alone must carry every fault, so that the short form is without the guard."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "storm_min" in metafunc.fixturenames and "storm_min" not in chosen:
        full = metafunc.config.getoption("--faults") == "full"
        metafunc.parametrize("storm_min", [0, 5] if full else [0], ids=lambda n: f"storm_min={n}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the short form leaves out; deselected, so that nothing counts as skipped."""
    for item in items:
        if "start_lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.time_limit(TIME_LIMIT))
    left_out = set()
    if config.getoption("--faults") != "full":
        left_out.add("full_only")
    if not config.getoption("--locked"):
        left_out.add("locked_only")
    chosen = [item for item in items if not any(map(item.get_closest_marker, left_out))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(scope="session")
def locks(request: pytest.FixtureRequest) -> Open:
    """Give what a fleet is locked with: with `--locked` everything is, else nothing."""
    if request.config.getoption("--locked"):
        return Locked(request.getfixturevalue("authority"))
    return Open()


@pytest.fixture
def start_lab(storm_min: int, locks: Open, request: pytest.FixtureRequest) -> Iterator[StartLab]:
    """`start_lab(url, kind="one memcached")` starts a fleet; all of it ends with the test.

    In the short form all who stay alive are one agent's: each process takes most of a second to start.
    """
    crowds = 3 if request.config.getoption("--faults") == "full" else 1
    nova = nova_python() if request.config.getoption("--nova") else None
    with ExitStack() as stack:
        yield lambda store, **how: stack.enter_context(
            Lab(store, locks=locks, storm_min=storm_min, crowds=crowds, nova=nova, **how)
        )


@pytest.fixture
def start_memcached(servers: ExitStack, locks: Open) -> StartMemcached:
    """Start as many memcached servers as the test likes, locked as the fleet is."""
    return lambda *args: servers.enter_context(locks.memcached(*args))


@pytest.fixture
def start_postgres(servers: ExitStack, locks: Open) -> StartPostgres:
    """Start PostgreSQL servers, locked as the fleet is."""
    return lambda **settings: servers.enter_context(locks.postgres(**settings))


@pytest.fixture
def start_pgbouncer(servers: ExitStack, locks: Open) -> StartPgBouncer:
    """Start PgBouncers in transaction mode, locked as the fleet is."""
    return lambda postgres, **how: servers.enter_context(locks.pgbouncer(postgres, **how))


@pytest.fixture
def start_mariadb(servers: ExitStack, locks: Open) -> StartMariaDb:
    """Start MariaDB servers, locked as the fleet is."""
    return lambda **settings: servers.enter_context(locks.mariadb(**settings))
