"""The module compares Nova and musterd in turn, on one PostgreSQL, one MariaDB and one memcached."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.figures import Figure, progress
from benchmarks.fleet import Fleet, KeyedFill, PostgresFill
from benchmarks.peers.beats import sender
from benchmarks.peers.compare import LAZY, MYSQL, beat_figures, view_figures
from benchmarks.peers.maria_books import MariaBooks
from benchmarks.peers.meter import Books, Cost, Ledger, Sender, cost
from benchmarks.peers.nova_side import Nova
from benchmarks.peers.relay import relay
from benchmarks.peers.views import Crowd, Scheduler, View, Watcher, coordinator
from benchmarks.stores import maria_tables, mariadb_for, musterd_tables, postgres_for
from musterd.testing.mariadb import MariaDb
from musterd.testing.mysql import MySql
from musterd.testing.servers import Database, Memcached, Postgres

NOVA_THREADS = (1, 8)
CONNECTIONS = (1, 20)
A_PERIOD = 0.1
"""The share of all members that beat between two sweeps: one second of an interval of ten."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A `Plan` says how much of everything is measured.

    Beats are per repeat; ``sizes`` are the members in each view; ``mysql``: beat to one too.
    """

    sizes: Sequence[int]
    repeats: int
    nova_beats: int
    beats: int
    beating: int
    relayed: int
    mysql: bool = False


@dataclass(frozen=True, slots=True)
class _Bench:
    """A `_Bench` is what all parts of a run share."""

    plan: Plan
    portal: BlockingPortal
    python: Path
    postgres: Postgres
    memcached: Memcached
    novas: Database
    nova: Nova


def run(plan: Plan, python: Path) -> list[Figure]:
    """Measure everything, and return the figures."""
    with _bench(plan, python) as bench:
        bench.nova.grow(plan.beating)
        return [*_database_beats(bench), *_memcached_beats(bench), *_views(bench)]


@contextmanager
def _bench(plan: Plan, python: Path) -> Iterator[_Bench]:
    members = plan.sizes[-1]
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        counted = {"shared_preload_libraries": "pg_stat_statements"}
        postgres = stack.enter_context(postgres_for(members, **counted))
        memcached = stack.enter_context(Memcached("-m", str(64 + members // 400)))
        novas = stack.enter_context(postgres.database())
        nova = stack.enter_context(Nova.running(python, novas.dsn, memcached.address))
        yield _Bench(plan, portal, python, postgres, memcached, novas, nova)


@dataclass(frozen=True, slots=True)
class _Side:
    """A `_Side` is a database, what it says of itself, and who sends heartbeats to it.

    ``vacuum`` lets Nova's table be vacuumed, or not.
    """

    name: str
    pid: int
    books: Ledger
    senders: Mapping[str, Sender]
    vacuum: Callable[[bool], object] = bool


def _database_beats(bench: _Bench) -> list[Figure]:
    """Measure all databases in turn, so that whatever slows the machine slows each."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(_postgres_side(bench)),
            stack.enter_context(_maria_side(bench, "MariaDB")),
            stack.enter_context(_maria_side(bench, LAZY, innodb_flush_log_at_trx_commit=2)),
        ]
        if bench.plan.mysql:
            sides.append(stack.enter_context(_maria_side(bench, MYSQL, MySql)))
        costs: dict[str, dict[str, list[Cost]]] = {side.name: {} for side in sides}
        for _ in progress(range(bench.plan.repeats), "heartbeats", "repeat"):
            for side in sides:
                for name, found in _costs(bench, side):
                    costs[side.name].setdefault(name, []).append(found)
        each_once = max(bench.plan.beating, bench.plan.relayed)
        return [
            figure
            for side in sides
            for figure in beat_figures(
                side.name,
                costs[side.name],
                {
                    name: side.books.statements(send, each_once)
                    for name, send in side.senders.items()
                },
            )
        ]


@contextmanager
def _postgres_side(bench: _Bench) -> Iterator[_Side]:
    with ExitStack() as stack:
        database = stack.enter_context(musterd_tables(bench.postgres))
        books = stack.enter_context(Books.open(bench.portal, bench.postgres.dsn))
        books.prepare()
        senders = stack.enter_context(_senders(bench, bench.nova, database.dsn))
        vacuum = partial(_vacuum_services, bench)
        yield _Side("PostgreSQL", bench.postgres.pid, books, senders, vacuum)


@contextmanager
def _maria_side(
    bench: _Bench, name: str, kind: type[MariaDb] = MariaDb, **settings: object
) -> Iterator[_Side]:
    """Run a MariaDB, or a ``kind`` of it, and another Nova that beats to it."""
    plan = bench.plan
    with ExitStack() as stack:
        server = stack.enter_context(mariadb_for(plan.beating + plan.relayed, kind, **settings))
        novas = stack.enter_context(server.database())
        nova = Nova.running(bench.python, novas.url, bench.memcached.address)
        nova_of_it = stack.enter_context(nova)
        nova_of_it.grow(plan.beating)
        database = stack.enter_context(maria_tables(server))
        books = stack.enter_context(MariaBooks.open(bench.portal, database.url))
        senders = stack.enter_context(_senders(bench, nova_of_it, database.url))
        yield _Side(name, server.pid, books, senders)


@contextmanager
def _senders(bench: _Bench, nova: Nova, url: str) -> Iterator[dict[str, Sender]]:
    """Yield Nova's ways to a database, and musterd's to the tables of ``url``."""
    plan = bench.plan
    with ExitStack() as stack:
        senders = {f"Nova db, {n} at a time": nova.sender("db", n) for n in NOVA_THREADS}
        for n in CONNECTIONS:
            direct = sender(bench.portal, url, n, plan.beating)
            senders[f"musterd direct, {n} at a time"] = stack.enter_context(direct)
        relayed, _ = stack.enter_context(relay(url))
        through = sender(bench.portal, relayed, plan.relayed, plan.relayed)
        senders["musterd through the relay"] = stack.enter_context(through)
        yield senders


def _memcached_beats(bench: _Bench) -> list[Figure]:
    plan, pid = bench.plan, bench.memcached.pid
    costs: dict[str, list[Cost]] = {}
    with ExitStack() as stack:
        senders = {f"Nova mc, {n} at a time": bench.nova.sender("mc", n) for n in NOVA_THREADS}
        for n in CONNECTIONS:
            direct = sender(bench.portal, bench.memcached.url, n, plan.beating)
            senders[f"musterd, {n} at a time"] = stack.enter_context(direct)
        for _ in progress(range(plan.repeats), "heartbeats to memcached", "repeat"):
            for name, send in senders.items():
                found = cost(pid, None, send, plan.beats, plan.beating)
                costs.setdefault(name, []).append(found)
        return beat_figures("memcached", costs, {})


def _costs(bench: _Bench, side: _Side) -> Iterator[tuple[str, Cost]]:
    """Yield what each sender's heartbeats cost, in turn."""
    plan = bench.plan
    for name, send in side.senders.items():
        count = plan.nova_beats if name.startswith("Nova") else plan.beats
        warm = plan.relayed if "relay" in name else plan.beating
        side.vacuum(name.startswith("Nova"))
        yield name, cost(side.pid, side.books, send, max(count, warm), warm)


def _vacuum_services(bench: _Bench, on: bool) -> None:
    """Let Nova's table be vacuumed while Nova beats, and not at the cost of another sender."""
    wanted = "true" if on else "false"
    bench.novas.execute(f"ALTER TABLE services SET (autovacuum_enabled = {wanted})")


def _views(bench: _Bench) -> list[Figure]:
    figures: list[Figure] = []
    for size in progress(bench.plan.sizes, "views", "size"):
        bench.nova.grow(size)
        bench.nova.fill("mc")
        with musterd_tables(bench.postgres) as database, coordinators_loop() as portal:
            crowd = crowd_in(portal, size, database.dsn, bench.memcached.address)
            views = _views_of(bench, portal, crowd, database.dsn) | _answered_views(bench, crowd)
            crowd.close()
        wrong = [name for name, seen in views.items() if any(up != size for up, _ in seen)]
        if wrong:
            raise RuntimeError(f"not all of {size} live members were up to {', '.join(wrong)}")
        figures += view_figures(size, {k: [took for _, took in v] for k, v in views.items()})
    return figures


def crowd_in(portal: BlockingPortal, size: int, dsn: str, memcached: str) -> Crowd:
    """Put as many members into musterd's tables of a PostgreSQL, and into a memcached."""
    fleet = Fleet(size)
    return Crowd(portal, fleet, PostgresFill(dsn, fleet), KeyedFill(memcached, fleet))


def coordinators_loop() -> AbstractContextManager[BlockingPortal]:
    """Run an event loop like a coordinator's own, in a thread."""
    return start_blocking_portal(backend_options={"use_uvloop": True})


def _views_of(
    bench: _Bench, portal: BlockingPortal, crowd: Crowd, dsn: str
) -> dict[str, list[View]]:
    """Take views as Nova's scheduler does itself, and as a coordinator does once a period."""
    with ExitStack() as stack:
        watchers = [Watcher(portal, url) for url in (dsn, bench.memcached.url)]
        for watcher in watchers:
            stack.callback(watcher.close)
            watcher.prepare()
        looks: Mapping[str, Callable[[], View]] = {
            "Nova db": partial(bench.nova.view, "db"),
            "Nova mc": partial(bench.nova.view, "mc"),
            "musterd, PostgreSQL": watchers[0].view,
            "musterd, memcached": watchers[1].view,
        }
        crowd.beat()
        for watcher in watchers:
            watcher.view()  # no member is up before it has seen a new beat of it
        views: dict[str, list[View]] = {name: [] for name in looks}
        for _ in progress(range(bench.plan.repeats), f"views of {len(crowd.names)}", "repeat"):
            for name, look in looks.items():
                crowd.beat(A_PERIOD)
                if name.startswith("musterd"):  # a coordinator has swept a second ago
                    look()
                    crowd.beat(A_PERIOD)
                views[name].append(look())
        return views


def _answered_views(bench: _Bench, crowd: Crowd) -> dict[str, list[View]]:
    """Take views as a scheduler that asks a coordinator, which sweeps memcached meanwhile."""
    with coordinator(bench.memcached.url) as running, ExitStack() as stack:
        scheduler = Scheduler(bench.portal, running.address, crowd.names)
        stack.callback(scheduler.close)
        scheduler.wait(crowd.beat)
        repeats = bench.plan.repeats
        return {
            "a coordinator asked by name": [scheduler.ask() for _ in range(repeats)],
            "a scheduler's replica": scheduler.look(repeats),
        }
