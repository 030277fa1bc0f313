"""The benchmark measures what it costs to watch Nova's table of services, beside Nova's own list of them.

A MariaDB has so many rows of nova-compute. musterd's own readers of both legs look at all of them, as a
coordinator does once a second: write a canary, see who is there, read all reports. Nova 34, where its
environment is there (``make nova``) or with ``--nova``, lists all services by ``ServiceList.get_all`` from
the same table, as the scheduler and `openstack compute service list` do. Both take turns in one run, and
before each a tenth of the services reported.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from benchmarks.bulk import TIMEOUT
from benchmarks.figures import Figure, Result, command_of, parser_of, positive, progress, show
from benchmarks.fleet import NAMESPACE, TTL
from benchmarks.peers.environment import NoNova, is_there, nova_python
from benchmarks.peers.nova_side import Nova
from benchmarks.processes import cpu_seconds
from benchmarks.sweep_clients import Cost, clocked, longest_stall
from musterd.beat import Beat, new_incarnation
from musterd.stores import open_store
from musterd.testing.mariadb import MariaDatabase, MariaDb
from musterd_coordinator.sweep.base import ShardReader, open_reader
from musterd_coordinator.sweep.nova.schema import init_db

EXAMPLE = """\
example:
  python -m benchmarks watch --services 100000
"""
LARGE = 100_000
MOST_SECONDS, LEAST_RATIO = 0.5, 20.0
"""Goals from LARGE services on: of a sweep, and of Nova's CPU by musterd's."""

TENTHS = 10
_TABLE = (Path(__file__).parent / "watch_services.sql").read_text()
_FILL = """
INSERT INTO services (created_at, host, `binary`, topic, report_count, disabled, forced_down, deleted,
    version, uuid, last_seen_up)
SELECT UTC_TIMESTAMP(), CONCAT('host-', LPAD(seq, 7, '0')), 'nova-compute', 'compute', seq MOD 1000,
    0, 0, 0, 66, UUID(), UTC_TIMESTAMP() FROM seq_1_to_{services};
ANALYZE TABLE services
"""
_REPORT = """
UPDATE services SET report_count = report_count + 1, last_seen_up = UTC_TIMESTAMP(),
    updated_at = UTC_TIMESTAMP() WHERE id MOD {tenths} = {tenth}
"""


@dataclass(slots=True)
class Watched:
    """A `Watched` has what was measured, a value for each round; ``server`` is the server's CPU."""

    sweeps: list[Cost] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    lists: list[Cost] = field(default_factory=list)  # Nova's
    list_server: list[float] = field(default_factory=list)
    first: float = 0.0


class Watcher:
    """A `Watcher` reads both legs of one cell, as a coordinator does."""

    def __init__(self, database: str, services: int) -> None:
        store = open_store(f"nova+{database}", namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=TTL)
        legs = range(len(store.shard_names))
        self._readers: list[ShardReader] = [open_reader(store, leg, "benchmark") for leg in legs]
        self._services = services
        self._sequence = 0

    async def begin(self) -> float:
        """Learn who is there, as a coordinator does once; return the seconds."""
        began = time.perf_counter()
        for reader in self._readers:
            await reader.write_canary(self._canary())
            while (await reader.roster()).more:
                pass
        seconds = time.perf_counter() - began
        await self.sweep()
        return seconds

    async def sweep(self) -> Cost:
        """Look at all rows once. Raises RuntimeError when it did not see them all."""
        return await clocked(self._look)

    async def longest_stall(self) -> float:
        """Return the longest that the event loop was away during a sweep of its own, in seconds."""
        return await longest_stall(self._look)

    async def aclose(self) -> None:
        """Close the connections."""
        for reader in self._readers:
            await reader.aclose()

    async def _look(self) -> None:
        present = 0
        for reader in self._readers:
            await reader.write_canary(self._canary())
            await reader.roster()
            present += (await reader.sweep()).present
        if present != self._services:
            raise RuntimeError(f"{present} of {self._services} services were read")

    def _canary(self) -> Beat:
        self._sequence += 1
        return Beat(1, new_incarnation(), self._sequence, 1000)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("watch", __doc__, EXAMPLE)
    parser.add_argument("--services", type=positive, default=LARGE)
    parser.add_argument("--repeats", type=positive, default=5, help="rounds")
    parser.add_argument("--nova", action="store_true", help="bring Nova 34 where it is not there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed, and 2 without Nova."""
    args = arguments().parse_args(argv)
    try:
        python = nova_python() if args.nova or is_there() else None
    except NoNova as error:
        print(error, file=sys.stderr)
        return 2
    with _table(args.services, python) as (database, nova):
        quick = {"use_uvloop": True}
        watched = anyio.run(
            measure, database, nova, args.services, args.repeats, backend_options=quick
        )
    return show(stated(args.services, watched, command_of("watch", argv)), args.json)


@contextmanager
def _table(services: int, python: Path | None) -> Iterator[tuple[MariaDatabase, Nova | None]]:
    """Run a MariaDB with Nova's table, filled, and Nova on it where there is its ``python``."""
    with ExitStack() as stack:
        server = stack.enter_context(MariaDb(innodb_buffer_pool_size="512M"))
        database = stack.enter_context(server.database("" if python else _TABLE))
        nova = None
        if python:
            running = Nova.running(python, database.url, "127.0.0.1:11211")  # asks no memcached
            nova = stack.enter_context(running)
        database.execute(_FILL.format(services=services))
        yield database, nova


async def measure(
    database: MariaDatabase, nova: Nova | None, services: int, repeats: int
) -> Watched:
    """Sweep, and have Nova list all, ``repeats`` times in turn."""
    await init_db(f"nova+{database.url}", TIMEOUT)
    watched, watcher = Watched(), Watcher(database.url, services)
    try:
        watched.first = await watcher.begin()
        for turn in progress(range(repeats), "watching", "round"):
            _report(database, turn)
            with _metered(database, watched.server):
                watched.sweeps.append(await watcher.sweep())
            watched.stalls.append(await watcher.longest_stall())
            if nova is not None:
                _report(database, turn + repeats)
                with _metered(database, watched.list_server):
                    watched.lists.append(Cost(*nova.list_all(services)))
    finally:
        await watcher.aclose()
    return watched


def _report(database: MariaDatabase, turn: int) -> None:
    database.execute(_REPORT.format(tenths=TENTHS, tenth=turn % TENTHS))


@contextmanager
def _metered(database: MariaDatabase, values: list[float]) -> Iterator[None]:
    """Add the server's CPU seconds of the block to ``values``."""
    before = cpu_seconds(database.server.pid)
    yield
    values.append(cpu_seconds(database.server.pid) - before)


def stated(services: int, watched: Watched, command: str) -> Result:
    """Return the figures with their goals."""
    large = services >= LARGE
    figures = [
        Figure(
            "sweep of both legs",
            "s",
            [cost.seconds for cost in watched.sweeps],
            at_most=MOST_SECONDS if large else None,
        ),
        Figure("sweep: coordinator's CPU", "s", [cost.cpu for cost in watched.sweeps]),
        Figure("sweep: server's CPU", "s", watched.server),
        Figure("longest stall of the event loop", "ms", [1e3 * each for each in watched.stalls]),
        Figure("first reading of who is there", "s", [watched.first]),
    ]
    if watched.lists:
        figures += _of_nova(watched, large)
    title = f"Watching {services:,} services of Nova, MariaDB"
    return Result("watch", title, figures, {"services": services}, [], _notes(watched), command)


def _of_nova(watched: Watched, large: bool) -> list[Figure]:
    ours = _whole(watched.sweeps, watched.server)
    theirs = _whole(watched.lists, watched.list_server)
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    return [
        Figure("Nova's get_all", "s", [cost.seconds for cost in watched.lists]),
        Figure("Nova's get_all: its CPU", "s", [cost.cpu for cost in watched.lists]),
        Figure("Nova's get_all: server's CPU", "s", watched.list_server),
        Figure(
            "CPU of Nova's get_all and its server / musterd's",
            "",
            ratios,
            at_least=LEAST_RATIO if large else None,
        ),
    ]


def _whole(costs: Sequence[Cost], server: Sequence[float]) -> list[float]:
    return [cost.cpu + more for cost, more in zip(costs, server, strict=True)]


def _notes(watched: Watched) -> list[str]:
    if watched.lists:
        return ["Nova's objects read its database themselves, as in its controllers' services."]
    return ["Nova is not there to be held against it: `make nova` brings it."]


if __name__ == "__main__":
    sys.exit(main())
