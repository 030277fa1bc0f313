"""What all tests share: the event loop's backend, Hypothesis's manners and real servers."""

import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Protocol

import anyio
import hypothesis
import pytest
import structlog

from musterd.stores.postgres.schema import init_db
from musterd.testing import keeper
from musterd.testing.authority import Authority
from musterd.testing.mariadb import MariaDb
from musterd.testing.mysql import MYSQL
from musterd.testing.processes import START_TIMEOUT
from musterd.testing.servers import Database, Memcached, PgBouncer, Postgres
from tests import measuring
from tests.examples import THOROUGH
from tests.time_limit import limited

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("musterd", deadline=None)
hypothesis.settings.register_profile(THOROUGH, deadline=None)
hypothesis.settings.load_profile("musterd")


def pytest_configure(config: pytest.Config) -> None:
    """Measure, if asked; keep no worker of pytest-xdist nor its servers if its controller dies.

    A run in a shell's background has inherited to ignore SIGQUIT, which is to end what tests start.
    """
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if measuring is not None:
        config.pluginmanager.register(measuring, "measuring")
    if config.getoption("--mysql"):
        MariaDb.make = MYSQL
    if hasattr(config, "workerinput"):
        keeper.end_with_parent()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faults full` runs every fault, with the guard against mass silences and without.

    With `--locked` faults and attacks meet a fleet with TLS, logins, tokens and signed beats. With
    `--nova` Nova itself asks, for what `make nova` brings, and faults are seen through its call too.
    `--rules` promtool tries the alerts of deploy/, and an Alertmanager is told (`make rules`). With
    `--mysql` the tests that take a MariaDB, and no others, run on a MySQL, which `make mysql` brings.
    """
    parser.addoption("--faults", choices=["short", "full"], default="short")
    parser.addoption("--locked", action="store_true")
    parser.addoption("--nova", action="store_true")
    parser.addoption("--rules", action="store_true")
    parser.addoption("--mysql", action="store_true")
    parser.addini("time_limit", "seconds for one test where the machine is not busy", "float", 30.0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --mysql leave out what takes no such server; deselected, so that nothing counts as skipped."""
    if config.getoption("--mysql"):
        chosen = [item for item in items if on_mysql(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def on_mysql(item: pytest.Item) -> bool:
    """Say whether a test takes a MariaDB whose place a MySQL can take."""
    kinds, code = (
        getattr(item, "callspec", None),
        getattr(getattr(item, "obj", None), "__code__", None),
    )
    named = [
        *getattr(item, "fixturenames", ()),
        *(map(str, kinds.params.values()) if kinds else ()),
        *(code.co_names if code else ()),
    ]
    takes = any("maria" in name.lower() for name in named) or "mysql" in item.path.parts
    return takes and not item.get_closest_marker("mariadb_only")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that hangs, its fixtures included."""
    mark = item.get_closest_marker("time_limit")
    with limited(mark.args[0] if mark else item.config.getini("time_limit")):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips itself: what is missing must be got, not passed over."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"no test may be skipped, this one was: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a file of tests that skips itself."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"no tests may be skipped, these were: {report.longrepr}"
    return report


class StartMemcached(Protocol):
    """`start_memcached("-m", "8")` starts another server for this test."""

    def __call__(self, *args: str) -> Memcached: ...


class StartPostgres(Protocol):
    """`start_postgres(max_connections=20)` starts a server that this test alone uses."""

    def __call__(self, **settings: object) -> Postgres: ...


class StartMariaDb(Protocol):
    """`start_mariadb(max_connections=20)` starts a server that this test alone uses."""

    def __call__(self, **settings: object) -> MariaDb: ...


class StartPgBouncer(Protocol):
    """`start_pgbouncer(server, default_pool_size=2)` starts another one for this test."""

    def __call__(self, postgres: Postgres, **settings: object) -> PgBouncer: ...


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    """Undo what a test configures: a later one would log into its closed standard error."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run async tests on asyncio's own loop, as the agent does."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """End what a test started, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Give an authority that signs certificates."""
    return Authority()


@pytest.fixture
def start_memcached(servers: ExitStack) -> StartMemcached:
    """Start as many memcached servers as the test likes."""
    return lambda *args: servers.enter_context(Memcached(*args))


@pytest.fixture
def memcached(start_memcached: StartMemcached) -> Memcached:
    """Give an empty memcached of the test's own."""
    return start_memcached("-m", "16", "-t", "1")


@pytest.fixture
def start_postgres(servers: ExitStack) -> StartPostgres:
    """Start PostgreSQL servers that a test may stop, crash, pause and set as it likes."""
    return lambda **settings: servers.enter_context(Postgres(**settings))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the PostgreSQL that the tests of this worker share: never stop or pause it."""
    with Postgres(**Postgres.cheap, max_connections=200) as server:
        yield server


@pytest.fixture(scope="session")
def tables(postgres: Postgres) -> str:
    """Name a database that has musterd's tables: to copy it takes less time than to make them."""
    name = "musterd_template"
    postgres.execute(f"CREATE DATABASE {name}")
    anyio.run(init_db, postgres.dsn_of(name), START_TIMEOUT)
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Database]:
    """Give a database of the test's own on the shared server: empty, or with `tables` if it uses those."""
    made = "tables" in request.fixturenames
    with postgres.database(request.getfixturevalue("tables") if made else "template1") as database:
        yield database


@pytest.fixture
def start_mariadb(servers: ExitStack) -> StartMariaDb:
    """Start MariaDB servers that a test may stop, crash, pause and set as it likes."""
    return lambda **settings: servers.enter_context(MariaDb(**settings))


@pytest.fixture
def start_pgbouncer(servers: ExitStack) -> StartPgBouncer:
    """Start PgBouncers in transaction mode before a PostgreSQL."""
    return lambda postgres, **settings: servers.enter_context(PgBouncer(postgres, **settings))


@pytest.fixture
def pgbouncer(start_pgbouncer: StartPgBouncer, postgres: Postgres) -> PgBouncer:
    """Give a PgBouncer of the test's own before the shared server."""
    return start_pgbouncer(postgres)
