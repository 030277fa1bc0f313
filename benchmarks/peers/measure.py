"""The module compares Nova and musterd in turn, on one PostgreSQL and one memcached."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.figures import Figure, progress
from benchmarks.fleet import Fleet, KeyedFill, PostgresFill
from benchmarks.peers.beats import sender
from benchmarks.peers.compare import beat_figures, view_figures
from benchmarks.peers.meter import Books, Cost, Sender, cost
from benchmarks.peers.nova_side import Nova
from benchmarks.peers.relay import relay
from benchmarks.peers.views import Crowd, Scheduler, View, Watcher, coordinator
from benchmarks.stores import musterd_tables, postgres_for
from musterd.testing.servers import Database, Memcached, Postgres

NOVA_THREADS = (1, 8)
CONNECTIONS = (1, 20)
A_PERIOD = 0.1
"""The share of all members that beat between two sweeps: one second of an interval of ten."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A `Plan` says how much of everything is measured.

    Beats are per repeat; ``sizes`` are the members in each view.
    """

    sizes: Sequence[int]
    repeats: int
    nova_beats: int
    beats: int
    beating: int
    relayed: int


@dataclass(frozen=True, slots=True)
class _Bench:
    """A `_Bench` is what all parts of a run share."""

    plan: Plan
    portal: BlockingPortal
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
        yield _Bench(plan, portal, postgres, memcached, novas, nova)


def _database_beats(bench: _Bench) -> list[Figure]:
    plan, portal = bench.plan, bench.portal
    with ExitStack() as stack:
        database = stack.enter_context(musterd_tables(bench.postgres))
        books = stack.enter_context(Books.open(portal, bench.postgres.dsn))
        books.prepare()
        senders = {f"Nova db, {n} at a time": bench.nova.sender("db", n) for n in NOVA_THREADS}
        for n in CONNECTIONS:
            direct = sender(portal, database.dsn, n, plan.beating)
            senders[f"musterd direct, {n} at a time"] = stack.enter_context(direct)
        relayed, _ = stack.enter_context(relay(database.dsn))
        through = sender(portal, relayed, plan.relayed, plan.relayed)
        senders["musterd through the relay"] = stack.enter_context(through)
        costs = _costs(bench, bench.postgres.pid, books, senders)
        each_once = max(plan.beating, plan.relayed)
        statements = {name: books.statements(senders[name], each_once) for name in senders}
        return beat_figures("PostgreSQL", costs, statements)


def _memcached_beats(bench: _Bench) -> list[Figure]:
    plan = bench.plan
    with ExitStack() as stack:
        senders = {f"Nova mc, {n} at a time": bench.nova.sender("mc", n) for n in NOVA_THREADS}
        for n in CONNECTIONS:
            direct = sender(bench.portal, bench.memcached.url, n, plan.beating)
            senders[f"musterd, {n} at a time"] = stack.enter_context(direct)
        costs = _costs(bench, bench.memcached.pid, None, senders)
        return beat_figures("memcached", costs, {})


def _costs(
    bench: _Bench, pid: int, books: Books | None, senders: Mapping[str, Sender]
) -> dict[str, list[Cost]]:
    """Return each sender's costs, once a repeat, in turn: what slows the machine slows them all."""
    costs: dict[str, list[Cost]] = {name: [] for name in senders}
    for _ in progress(range(bench.plan.repeats), "heartbeats", "repeat"):
        for name, send in senders.items():
            count = bench.plan.nova_beats if name.startswith("Nova db") else bench.plan.beats
            warm = bench.plan.relayed if "relay" in name else bench.plan.beating
            if books:
                _vacuum_services(bench, name.startswith("Nova"))
            costs[name].append(cost(pid, books, send, max(count, warm), warm))
    return costs


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
