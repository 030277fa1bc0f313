"""The command measures what ``musterd plan`` reckons with, and prints a new coefficients.json.

``python -m benchmarks.coefficients > common/musterd/planning/coefficients.json`` renews the shipped
file. Everything is measured with the product's own code on real servers; every value is a median.
What is assumed of servers and networks is taken over from the file that is there.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import msgspec
from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.figures import command_of, progress, rounded
from benchmarks.fleet import Fleet
from benchmarks.machine import describe
from benchmarks.peers.beats import sender
from benchmarks.peers.maria_books import MariaBooks
from benchmarks.peers.meter import Books, Ledger, Sender, cost
from benchmarks.peers.relay import relay
from benchmarks.peers.views import Crowd, Scheduler, Watcher, coordinator
from benchmarks.processes import cpu_seconds, memory_bytes
from benchmarks.stores import STORES, Server, embedded, memcached
from benchmarks.wire import Wire, idle_connections
from musterd import log
from musterd.planning import Coefficients, StoreKind
from musterd.planning.coefficients import Coefficient, Source
from musterd.planning.model import BEHIND

SOURCE = "coefficients"
CONNECTIONS = 200  # of agents that beat one at a time, each over its own
RELAYED = 1_000
SESSIONS = 100  # of a database
IDLE = 1_000
THREADS = 4  # of memcached

Start = Callable[[int, int], AbstractContextManager[Server]]


@dataclass
class Bench:
    """A `Bench` holds what is measured so far: values by the name of the coefficient."""

    portal: BlockingPortal
    members: int
    beats: int
    repeats: int
    found: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        """Add one more value of a coefficient."""
        self.found.setdefault(name, []).append(value)

    def each(self, text: str) -> Iterator[int]:
        """Yield as often as everything is repeated."""
        yield from progress(range(self.repeats), text, "repeat")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coefficients", description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--beats", type=int, default=20_000, help="in each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only",
        choices=_PARTS,
        nargs="*",
        default=list(_PARTS),
        help="renew these, keep the others",
    )
    args = parser.parse_args(argv)
    log.configure("error")
    with start_blocking_portal() as portal:
        bench = Bench(portal, args.members, args.beats, args.repeats)
        for part in args.only:
            _PARTS[part](bench)
    print(json.dumps(_file(bench.found, command_of("coefficients", argv)), indent=2))
    return 0


def _file(found: Mapping[str, Sequence[float]], command: str) -> dict[str, object]:
    """Return the shipped file with the medians of what was found in it."""
    shipped, machine = Coefficients.shipped(), describe()
    used = ("CPU", "cores", "memory", "Python", "memcached", "PostgreSQL", "MariaDB")
    words = ", ".join(f"{name} {machine[name]}" for name in used)
    date = datetime.now(UTC).date().isoformat()
    source = Source(command.replace("benchmarks ", "benchmarks."), date, words)
    name = f"{SOURCE} {date}"
    known = shipped.known | {
        each: Coefficient(rounded(max(0.0, statistics.median(values))), name)
        for each, values in found.items()
    }
    sources = shipped.sources | {name: source}
    used_now = {one.source for one in known.values()}
    return {
        "sources": {each: msgspec.structs.asdict(sources[each]) for each in sorted(used_now)},
        "coefficients": {each: msgspec.structs.asdict(known[each]) for each in sorted(known)},
        "assumptions": dict(shipped.assumptions),
    }


def _keyed_stores(bench: Bench) -> None:
    _keyed_store(bench, "memcached", memcached)
    _keyed_store(bench, "embedded", embedded)


def _keyed_store(bench: Bench, name: str, start: Start) -> None:
    with start(bench.members, THREADS) as server:
        port = server.address[1]
        before, cpu = memory_bytes(server.pid), cpu_seconds(server.pid)
        with idle_connections(port, IDLE):
            bench.note(f"{name}.connect_us", 1e6 * (cpu_seconds(server.pid) - cpu) / IDLE)
            bench.note(f"{name}.connection_bytes", (memory_bytes(server.pid) - before) / IDLE)
        with sender(bench.portal, server.url, CONNECTIONS, CONNECTIONS) as send:
            _beats(bench, name, server.pid, port, send)
    with start(bench.members, THREADS) as server:
        _sweeps(bench, name, server, server.address[1])


def _database(bench: Bench, name: StoreKind) -> None:
    start = STORES[name]
    with start(bench.members, THREADS) as server, ExitStack() as stack:
        books = stack.enter_context(_books(bench, server.url))
        before, cpu = memory_bytes(server.pid), cpu_seconds(server.pid)
        send = stack.enter_context(sender(bench.portal, server.url, SESSIONS, SESSIONS))
        bench.note(f"{name}.connect_us", 1e6 * (cpu_seconds(server.pid) - cpu) / SESSIONS)
        _beats(bench, name, server.pid, _port_of(server.url), send, books)
        grown = memory_bytes(server.pid) - before
        bench.note(f"{name}.connection_bytes", grown / SESSIONS)
    with start(bench.members, THREADS) as server:
        bench.note(f"{name}.base_bytes", memory_bytes(server.pid))
        _sweeps(bench, name, server, _port_of(server.url))


def _books(bench: Bench, url: str) -> AbstractContextManager[Ledger]:
    kind = MariaBooks if url.startswith("mysql") else Books
    return kind.open(bench.portal, url)


def _beats(
    bench: Bench, name: str, pid: int, port: int, send: Sender, books: Ledger | None = None
) -> None:
    for _ in bench.each(f"{name}: beats"):
        wire = Wire(port)
        found = cost(pid, books, send, bench.beats, CONNECTIONS)
        bench.note(f"{name}.beat_us", found.server_us)
        bench.note(f"{name}.beat_wire_bytes", wire.used() / (bench.beats + CONNECTIONS))
        if books is not None:
            bench.note(f"{name}.beat_wal_bytes", found.wal)


def _sweeps(bench: Bench, name: str, server: Server, port: int) -> None:
    """Measure a store's memory for its members, and their sweeps by a coordinator in this process."""
    before = memory_bytes(server.pid)
    fleet = Fleet(bench.members)
    crowd = Crowd(bench.portal, fleet, server.fill(fleet))
    bench.note(f"{name}.member_bytes", (memory_bytes(server.pid) - before) / bench.members)
    watcher = Watcher(bench.portal, server.url)
    watcher.prepare()
    for _ in bench.each(f"{name}: sweeps"):
        crowd.beat()
        _sweep(bench, f"{name}.", watcher, server, port)
        if name == "postgresql":  # which sends only beats that are new
            _sweep(bench, f"{name}.unchanged_", watcher, server, port)
    watcher.close()
    crowd.close()


def _sweep(bench: Bench, name: str, watcher: Watcher, server: Server, port: int) -> None:
    wire = Wire(port)
    theirs, ours = cpu_seconds(server.pid), time.process_time()
    watcher.view()
    theirs, ours = cpu_seconds(server.pid) - theirs, time.process_time() - ours
    bench.note(f"{name}swept_us", 1e6 * theirs / bench.members)
    if not name.startswith("embedded"):  # which its own process sweeps
        bench.note(f"{name}swept_wire_bytes", wire.used() / bench.members)
    bench.note(f"{name}read_us", 1e6 * ours / bench.members)


def _relay(bench: Bench, name: StoreKind) -> None:
    with STORES[BEHIND[name]](bench.members, THREADS) as server, ExitStack() as stack:
        books = stack.enter_context(_books(bench, server.url))
        url, pid = stack.enter_context(relay(server.url))
        base = memory_bytes(pid)
        bench.note(f"{name}.base_bytes", base)
        send = stack.enter_context(sender(bench.portal, url, RELAYED, RELAYED))
        for _ in bench.each(f"{name}: beats"):
            wire = Wire(int(url.rpartition(":")[2]))
            bench.note(f"{name}.beat_us", cost(pid, None, send, bench.beats, RELAYED).server_us)
            bench.note(f"{name}.beat_wire_bytes", wire.used() / (bench.beats + RELAYED))
            theirs = cost(server.pid, books, send, bench.beats, RELAYED)
            bench.note(f"{name}.database_us", theirs.server_us)
            bench.note(f"{name}.beat_wal_bytes", theirs.wal)
        bench.note(f"{name}.connection_bytes", (memory_bytes(pid) - base) / RELAYED)


def _coordinator(bench: Bench) -> None:
    with memcached(bench.members, THREADS) as server:
        with coordinator(server.url) as empty:
            base = memory_bytes(empty.pid)
        bench.note("coordinator.base_bytes", base)
        fleet = Fleet(bench.members)
        crowd = Crowd(bench.portal, fleet, server.fill(fleet))
        with coordinator(server.url) as full:
            scheduler = Scheduler(bench.portal, full.address, crowd.names)
            scheduler.wait(crowd.beat)
            scheduler.close()
            grown = memory_bytes(full.pid) - base
            bench.note("coordinator.member_bytes", grown / bench.members)
        crowd.close()


def _port_of(url: str) -> int:
    return int(url.rpartition("/")[0].rpartition(":")[2])


def _databases(bench: Bench, kind: StoreKind) -> None:
    _database(bench, BEHIND[kind])
    _relay(bench, kind)


_PARTS: Mapping[str, Callable[[Bench], None]] = {
    "keyed": _keyed_stores,
    **{str(BEHIND[kind]): partial(_databases, kind=kind) for kind in BEHIND},
    "coordinator": _coordinator,
}


if __name__ == "__main__":
    sys.exit(main())
