"""The benchmark against Nova: musterd's half, end to end and tiny, and the comparison of both."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from benchmarks.peers.beats import sender
from benchmarks.peers.compare import beat_figures, view_figures
from benchmarks.peers.maria_books import MariaBooks
from benchmarks.peers.measure import crowd_in
from benchmarks.peers.meter import Books, Cost, cost
from benchmarks.peers.relay import relay
from benchmarks.peers.views import Scheduler, Watcher, coordinator
from benchmarks.stores import maria_tables, musterd_tables

from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Database, Memcached, Postgres


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def tables(postgres: Postgres) -> Iterator[Database]:
    with musterd_tables(postgres) as database:
        yield database


def test_a_direct_beat_is_one_commit_record(
    portal: BlockingPortal, postgres: Postgres, tables: Database
) -> None:
    books = Books.open(portal, postgres.dsn)
    with books as counted, sender(portal, tables.dsn, 2, 4) as send:
        found = cost(postgres.pid, counted, send, 200, 4)
    assert 40 <= found.wal < 200  # others in this server may write at the same time
    assert found.server_us > 0
    assert found.client_us > 0
    assert found.beats_per_second > 0
    rows = tables.execute("SELECT count(*) FROM musterd.beats WHERE sequence > 0")
    assert rows == "4"


def test_the_relay_takes_the_same_beats(portal: BlockingPortal, tables: Database) -> None:
    with relay(tables.dsn) as (url, pid), sender(portal, url, 5, 5) as send:
        assert send(10).beats == 10
        assert pid > 0
    assert tables.execute("SELECT count(*) FROM musterd.beats WHERE sequence > 0") == "5"


def test_what_beats_cost_mariadb_directly_and_by_a_relay(
    portal: BlockingPortal, mariadb: MariaDb
) -> None:
    with ExitStack() as stack:
        maria = stack.enter_context(maria_tables(mariadb))
        books = stack.enter_context(MariaBooks.open(portal, maria.url))
        direct = stack.enter_context(sender(portal, maria.url, 2, 4))
        found = cost(mariadb.pid, books, direct, 200, 4)
        assert 0 <= found.wal < 2000  # it writes no log of what is in its memory
        before = books.wal()
        maria.execute("INSERT INTO musterd_challenge VALUES ('somebody', 'something')")
        assert books.wal() - before > 100
        assert found.server_us > 0
        assert 1 <= books.statements(direct, 400) < 1.2
        url, _ = stack.enter_context(relay(maria.url))
        through = stack.enter_context(sender(portal, url, 40, 40))
        assert through(80).beats == 80
        assert maria.execute("SELECT COUNT(*) FROM musterd_beats WHERE sequence > 0") == "40"


def test_every_view_sees_everybody_up(
    portal: BlockingPortal, tables: Database, memcached: Memcached
) -> None:
    crowd = crowd_in(portal, 7, tables.dsn, memcached.address)
    for url in (tables.dsn, memcached.url):
        watcher = Watcher(portal, url)
        watcher.prepare()
        crowd.beat()
        watcher.view()
        assert watcher.view()[0] == 7
        watcher.close()
    with coordinator(memcached.url) as running:
        scheduler = Scheduler(portal, running.address, crowd.names)
        scheduler.wait(crowd.beat)
        assert scheduler.ask()[0] == 7
        assert [up for up, _ in scheduler.look(2)] == [7, 7]
        scheduler.close()
    crowd.close()


def costs(server_us: float, wal: float) -> list[Cost]:
    return [Cost(server_us, 1.0, wal, 100.0)] * 3


def test_ratios_are_taken_to_the_nova_that_sends_alike_and_a_relay_s_to_the_cheaper() -> None:
    figures = beat_figures(
        "PostgreSQL",
        {
            "Nova db, 1 at a time": costs(500, 220),
            "Nova db, 8 at a time": costs(400, 230),
            "musterd direct, 1 at a time": costs(50, 40),
            "musterd direct, 20 at a time": costs(40, 40),
            "musterd through the relay": costs(10, 0.5),
        },
        {},
    )
    found = {figure.name: figure for figure in figures}
    direct = found["PostgreSQL: server CPU, Nova / musterd direct, 1 at a time"]
    assert (direct.median, direct.kept) == (10.0, True)
    many = found["PostgreSQL: server CPU, Nova / musterd direct, 20 at a time"]
    assert many.median == 10.0
    assert found["PostgreSQL: WAL, Nova / musterd direct, 20 at a time"].median == 5.75
    relayed = found["PostgreSQL: server CPU, Nova / musterd through the relay"]
    assert (relayed.median, relayed.kept) == (40.0, False)
    assert found["PostgreSQL: WAL, Nova / musterd direct, 1 at a time"].median == 5.5
    assert found["PostgreSQL: WAL, Nova / musterd through the relay"].kept


def test_only_a_large_view_has_a_goal() -> None:
    seconds = {
        "Nova db": [5.0],
        "Nova mc": [9.0],
        "musterd, PostgreSQL": [0.05],
        "musterd, memcached": [0.1],
    }
    assert all(figure.kept is None for figure in view_figures(1_000, seconds))
    kept = [figure.kept for figure in view_figures(100_000, seconds)]
    assert kept[-2:] == [True, False]
