"""The benchmark measures what a beat costs PostgreSQL: direct, through PgBouncer, and in batches.

Agents send beats directly or through PgBouncer, relays in batches.
``python -m benchmarks.postgres_beat --members 100000 --beats 2000000`` has a real server with
musterd's tables take so many beats, most of them in a relay's batches, and reads what they cost off
/proc, the position in the WAL and pg_stat_user_tables.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
from anyio.from_thread import BlockingPortal, start_blocking_portal
from numpy.typing import NDArray

from benchmarks.figures import Figure, Result, command_of, progress, show
from benchmarks.fleet import Fleet, PostgresFill
from benchmarks.peers.beats import TIMEOUT, sender
from benchmarks.peers.meter import Books, Cost, cost
from benchmarks.processes import cpu_seconds
from benchmarks.stores import musterd_tables, postgres_for, setting_of
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url
from musterd.testing.servers import Database, PgBouncer
from musterd_coordinator.relay.database import Rows
from musterd_coordinator.relay.postgres import PostgresRelay

CONNECTIONS = (1, 20)
POOLED, POOL = 1_000, 20  # connections of agents to PgBouncer, and of that to the server
DIRECT_BEATS = 20_000
DIRECT_MEMBERS = 1_000
BATCH = 4_000
SERVER_US, WAL, HOT, GROWTH, BATCHED = 60.0, 40.0, 0.99, 1.1, 150_000
NOTES = (
    "A direct beat's WAL is its commit record, 40 bytes; headers of the WAL's pages add 0.3 %.",
    (
        "Batched beats are written in random order, by the relay's own statement, and counted by second"
        " of all the server's CPU. The table's size is compared with its size after every member's"
        " first beat, at a fillfactor of 50."
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0, or 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres_beat", description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--beats", type=int, default=2_000_000, help="in batches")
    parser.add_argument("--repeats", type=int, default=5, help="of direct beats, and of batches")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    with postgres_for(args.members) as postgres, musterd_tables(postgres) as database:
        with start_blocking_portal() as portal:
            figures = _measure(portal, database, args)
        setting = setting_of(postgres)
    facts = {"members": args.members, "beats": args.beats, "server": setting}
    command = command_of("postgres_beat", argv).replace("benchmarks ", "benchmarks.")
    title = "What a beat costs PostgreSQL"
    return show(Result("postgres_beat", title, figures, facts, (), NOTES, command), args.json)


def _measure(portal: BlockingPortal, database: Database, args: argparse.Namespace) -> list[Figure]:
    fleet, pid = Fleet(args.members), database.server.pid
    with ExitStack() as stack:
        books = stack.enter_context(Books.open(portal, database.dsn))
        fill = PostgresFill(database.dsn, fleet)
        portal.call(fill.fill)
        portal.call(fill.aclose)
        size = _size(books)
        figures = _direct(portal, database, books, args.repeats)
        figures += _pooled(portal, database, books, args.repeats)
        batches = stack.enter_context(_batches(portal, database.dsn, fleet))
        rates = []
        for _ in progress(range(args.repeats), "batches", "repeat"):
            cpu, beats = cpu_seconds(pid), 0
            while beats < args.beats // args.repeats:
                beats += batches()
            rates.append(beats / (cpu_seconds(pid) - cpu))
        grown = Figure("table growth", "times", [_size(books) / size], at_most=GROWTH)
        batched = Figure("batched beats, per core", "1/s", rates, at_least=BATCHED)
        return [*figures, batched, Figure("HOT updates", "share", [_hot(books)], None, HOT), grown]


def _direct(portal: BlockingPortal, database: Database, books: Books, repeats: int) -> list[Figure]:
    figures: list[Figure] = []
    for connections in CONNECTIONS:
        with sender(portal, database.dsn, connections, DIRECT_MEMBERS) as send:
            costs = [
                cost(database.server.pid, books, send, DIRECT_BEATS, DIRECT_MEMBERS)
                for _ in progress(range(repeats), f"{connections} connections", "repeat")
            ]
        figures += _figures(f"{connections} connections", costs, SERVER_US)
    return figures


def _pooled(portal: BlockingPortal, database: Database, books: Books, repeats: int) -> list[Figure]:
    """Measure as many agents as a pooler is there for, and what the pooler takes itself."""
    costs, pooler = list[Cost](), list[float]()
    settings = {"default_pool_size": POOL, "max_client_conn": POOLED + 10}
    with ExitStack() as stack:
        bouncer = stack.enter_context(PgBouncer(database.server, **settings))
        dsn = bouncer.dsn_of(database.name)
        send = stack.enter_context(sender(portal, dsn, POOLED, DIRECT_MEMBERS))
        for _ in progress(range(repeats), "through PgBouncer", "repeat"):
            before = cpu_seconds(bouncer.pid)
            costs.append(cost(database.server.pid, books, send, DIRECT_BEATS, DIRECT_MEMBERS))
            took = cpu_seconds(bouncer.pid) - before
            pooler.append(1e6 * took / (DIRECT_BEATS + DIRECT_MEMBERS))
    name = f"{POOLED:,} connections to PgBouncer, {POOL} from there"
    return [*_figures(name, costs), Figure("PgBouncer's own CPU per beat", "µs", pooler)]


def _figures(name: str, costs: Sequence[Cost], most: float | None = None) -> Iterator[Figure]:
    server = [one.server_us for one in costs]
    yield Figure(f"server CPU per beat, {name}", "µs", server, at_most=most)
    yield Figure(f"WAL per beat, {name}", "B", [one.wal for one in costs], at_most=most and WAL)
    yield Figure(f"beats, {name}", "1/s", [one.beats_per_second for one in costs])


class _Batches:
    """A `_Batches` is called to write one beat of each member in random order; it returns how many."""

    def __init__(self, portal: BlockingPortal, relay: PostgresRelay, fleet: Fleet) -> None:
        self._portal, self._relay, self._fleet = portal, relay, fleet

    def __call__(self) -> int:
        self._fleet.beat()
        order = self._fleet.shuffled()
        for at in range(0, len(order), BATCH):
            self._portal.call(self._relay.write, self._rows(order[at : at + BATCH]))
        return len(order)

    def _rows(self, chosen: NDArray[np.int64]) -> Rows:
        slots = np.sort(chosen)
        records = self._fleet.records[slots]
        return Rows(slots.astype(np.int32), records["member_id"], records)


@contextmanager
def _batches(portal: BlockingPortal, url: str, fleet: Fleet) -> Iterator[_Batches]:
    link = PgSession(parse_url(url), TIMEOUT)
    try:
        yield _Batches(portal, PostgresRelay(link), fleet)
    finally:
        portal.call(link.close)


def _size(books: Books) -> float:
    return float(books.ask("SELECT pg_relation_size('musterd.beat')"))


def _hot(books: Books) -> float:
    """Return the share of HOT updates so far; the sessions that made them have told by now."""
    books.ask("SELECT pg_stat_force_next_flush()")
    share = "n_tup_hot_upd::float8 / n_tup_upd"
    return float(books.ask(f"SELECT {share} FROM pg_stat_user_tables WHERE relname = 'beat'"))


if __name__ == "__main__":
    sys.exit(main())
