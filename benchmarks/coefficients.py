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

from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.figures import command_of, progress, rounded
from benchmarks.fleet import Fleet
from benchmarks.machine import describe
from benchmarks.peers.beats import sender
from benchmarks.peers.meter import Books, Sender, cost
from benchmarks.peers.relay import relay
from benchmarks.peers.views import Crowd, Scheduler, Watcher, coordinator
from benchmarks.processes import cpu_seconds, memory_bytes
from benchmarks.stores import Server, embedded, memcached, postgresql
from benchmarks.wire import Wire, idle_connections
from musterd import log
from musterd.planning import Coefficients

SOURCE = "coefficients"
CONNECTIONS = 200  # of agents that beat one at a time, each over its own
RELAYED = 1_000
SESSIONS = 100  # of PostgreSQL
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
    args = parser.parse_args(argv)
    log.configure("error")
    with start_blocking_portal() as portal:
        bench = Bench(portal, args.members, args.beats, args.repeats)
        for measure in (_keyed_stores, _postgres, _relay, _coordinator):
            measure(bench)
    print(json.dumps(_file(bench.found, command_of("coefficients", argv)), indent=2))
    return 0


def _file(found: Mapping[str, Sequence[float]], command: str) -> dict[str, object]:
    machine = describe()
    used = ("CPU", "cores", "memory", "Python", "memcached", "PostgreSQL")
    words = ", ".join(f"{name} {machine[name]}" for name in used)
    source = {
        "command": command.replace("benchmarks ", "benchmarks."),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": words,
    }
    medians = {name: rounded(max(0.0, statistics.median(found[name]))) for name in sorted(found)}
    return {
        "sources": {SOURCE: source},
        "coefficients": {
            name: {"value": value, "source": SOURCE} for name, value in medians.items()
        },
        "assumptions": dict(Coefficients.shipped().assumptions),
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


def _postgres(bench: Bench) -> None:
    with postgresql(bench.members, THREADS) as server, ExitStack() as stack:
        books = stack.enter_context(Books.open(bench.portal, server.url))
        before, cpu = memory_bytes(server.pid), cpu_seconds(server.pid)
        send = stack.enter_context(sender(bench.portal, server.url, SESSIONS, SESSIONS))
        bench.note("postgresql.connect_us", 1e6 * (cpu_seconds(server.pid) - cpu) / SESSIONS)
        _beats(bench, "postgresql", server.pid, _port_of(server.url), send, books)
        grown = memory_bytes(server.pid) - before
        bench.note("postgresql.connection_bytes", grown / SESSIONS)
    with postgresql(bench.members, THREADS) as server:
        bench.note("postgresql.base_bytes", memory_bytes(server.pid))
        _sweeps(bench, "postgresql", server, _port_of(server.url))


def _beats(
    bench: Bench, name: str, pid: int, port: int, send: Sender, books: Books | None = None
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


def _relay(bench: Bench) -> None:
    with postgresql(bench.members, THREADS) as server, ExitStack() as stack:
        books = stack.enter_context(Books.open(bench.portal, server.url))
        url, pid = stack.enter_context(relay(server.url))
        base = memory_bytes(pid)
        bench.note("relay.base_bytes", base)
        send = stack.enter_context(sender(bench.portal, url, RELAYED, RELAYED))
        for _ in bench.each("relay: beats"):
            wire = Wire(int(url.rpartition(":")[2]))
            bench.note("relay.beat_us", cost(pid, None, send, bench.beats, RELAYED).server_us)
            bench.note("relay.beat_wire_bytes", wire.used() / (bench.beats + RELAYED))
            theirs = cost(server.pid, books, send, bench.beats, RELAYED)
            bench.note("relay.database_us", theirs.server_us)
            bench.note("relay.beat_wal_bytes", theirs.wal)
        bench.note("relay.connection_bytes", (memory_bytes(pid) - base) / RELAYED)


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


if __name__ == "__main__":
    sys.exit(main())
