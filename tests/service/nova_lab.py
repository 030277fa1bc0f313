"""Nova's tables in a real database, with services that report, and a coordinator's sweeps of them.

Servers are real and time is a number: between two looks a second goes by, whatever it takes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from time import time
from uuid import uuid4

import anyio

from musterd.model import State
from musterd.settings.settings import Settings
from musterd.stores import Store, open_store
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url as parse_mysql
from musterd.stores.nova.store import Leg, NovaDriver, Rhythm
from musterd.stores.nova.url import RPC_RESPONSE_TIMEOUT
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import parse_url as parse_postgres
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import Server
from musterd.testing.servers import Postgres
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.sweep.loop import Sweeper, SweepOutcome
from musterd_coordinator.sweep.nova import reader as novareader
from musterd_coordinator.sweep.nova.cells import watched
from musterd_coordinator.sweep.nova.newcells import NewCells
from musterd_coordinator.sweep.nova.schema import init_db
from musterd_coordinator.wiring import make_roll

DATA = Path(__file__).parents[1] / "data" / "nova"
ROLE = "musterd_eye"
TIMEOUT = 60.0  # seconds for a server that answers, however busy the machine
PERIOD = 1.0
INTERVAL = 10


class NovaLab(ABC):
    """A database with Nova's tables, which are the API's and a cell's in one, and nobody in them."""

    server: Server
    url: str
    """As a coordinator reaches it, with no rights but its own."""

    def __init__(self) -> None:
        self.execute((DATA / f"{self.dialect}.sql").read_text())
        self.map_cell("cell1", self)
        self.prepare()

    @property
    @abstractmethod
    def dialect(self) -> str:
        """The name of its SQL."""

    @abstractmethod
    def execute(self, sql: str) -> str:
        """Run SQL as one who may do anything."""

    @property
    @abstractmethod
    def owner(self) -> str:
        """The URL of one who may do anything."""

    def prepare(self) -> None:
        """Make what a coordinator needs there."""
        anyio.run(lambda: init_db(self.owner, TIMEOUT, coordinators=ROLE))

    @cached_property
    def _quote(self) -> str:
        return '"' if self.dialect == "postgres" else "`"

    def come(self, hosts: Iterable[str], topic: str = "compute", count: int = 0) -> None:
        """Services of these hosts begin; they reported ``count`` times."""
        rows = ", ".join(
            f"('{host}', 'nova-{topic}', '{topic}', {count}, {self.false}, {self.false}, 0)"
            for host in hosts
        )
        self.execute(
            f"INSERT INTO services (host, {self._quote}binary{self._quote}, topic, report_count,"
            f" disabled, forced_down, deleted) VALUES {rows}"
        )

    async def report(self, hosts: Sequence[str], topic: str = "compute") -> None:
        """Services of these hosts report once, as Nova's `db` driver has them do."""
        if hosts:
            await self.order(
                "UPDATE services SET report_count = report_count + 1, last_seen_up = now(),"
                f" updated_at = now() WHERE deleted = 0 AND topic = '{topic}' AND host IN {_in(hosts)}"
            )

    @abstractmethod
    async def order(self, sql: str) -> None:
        """Execute a statement over a connection that is kept."""

    @abstractmethod
    def close(self) -> None:
        """End that connection."""

    def map_cell(self, name: str, other: "NovaLab") -> None:
        """An operator maps the database of another lab as one more cell."""
        self.execute(
            "INSERT INTO cell_mappings (uuid, name, database_connection) VALUES"
            f" ('{uuid4()}', '{name}', '{other.owner.removeprefix('nova+')}')"
        )

    def delete(self, host: str, topic: str = "compute") -> None:
        """An operator deletes a service, as `openstack compute service delete` does."""
        self.execute(
            f"UPDATE services SET deleted = id WHERE topic = '{topic}' AND host = '{host}'"
        )

    @property
    def false(self) -> str:
        """How that is written."""
        return "false" if self.dialect == "postgres" else "0"

    @property
    def true(self) -> str:
        """How that is written."""
        return "true" if self.dialect == "postgres" else "1"


class MariaNova(NovaLab):
    """Nova's tables in MariaDB."""

    dialect = "mysql"

    def __init__(self, server: MariaDb, name: str) -> None:
        self.server = self._maria = server
        self._name = name
        server.execute(f"CREATE USER IF NOT EXISTS {ROLE} IDENTIFIED BY '{server.password}'")
        self.url = f"nova+{server.url_of(name, ROLE)}"
        super().__init__()

    @property
    def owner(self) -> str:
        return f"nova+{self._maria.url_of(self._name)}"

    def execute(self, sql: str) -> str:
        return self._maria.execute(sql, self._name)

    async def order(self, sql: str) -> None:
        async with self._link.session() as session:
            await session.order(sql)

    def close(self) -> None:
        self._link.close()

    @cached_property
    def _link(self) -> MySqlSession:
        return MySqlSession(parse_mysql(self._maria.url_of(self._name)), TIMEOUT)


class PgNova(NovaLab):
    """Nova's tables in PostgreSQL."""

    dialect = "postgres"

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = self._postgres = server
        self._name = name
        server.execute(
            f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{server.password}';"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        self.url = f"nova+{server.dsn_of(name, ROLE)}"
        super().__init__()

    @property
    def owner(self) -> str:
        return f"nova+{self._postgres.dsn_of(self._name)}"

    def execute(self, sql: str) -> str:
        return self._postgres.execute(sql, self._name)

    async def order(self, sql: str) -> None:
        async with self._link.session() as session:
            await session.connection.execute(sql)

    def close(self) -> None:
        self._link.close()

    @cached_property
    def _link(self) -> PgSession:
        return PgSession(parse_postgres(self._postgres.dsn_of(self._name)), TIMEOUT)


@contextmanager
def nova_lab(server: MariaDb | Postgres) -> Iterator[NovaLab]:
    """A database of the test's own."""
    with server.database() as database:
        if isinstance(server, MariaDb):
            yield MariaNova(server, database.name)
        else:
            yield PgNova(server, database.name)


@dataclass
class Watch:
    """A coordinator that watches a lab, and the services that report there; a look is a second."""

    lab: NovaLab
    computes: list[str] = field(default_factory=list)
    conductors: list[str] = field(default_factory=list)
    storm_min: int = 0
    now: float = 1000.0
    muted: set[str] = field(default_factory=set)  # hosts that do not report
    lost: float = 0.0  # share of nova-computes' messages that no conductor answers

    def __post_init__(self) -> None:
        self._waits: dict[str, float] = {}
        self._rng = Random(1)

    async def begin(self) -> None:
        """Find the cells, and make what watches them."""
        settings = Settings(
            store=self.lab.url, service_down_time=60.0, storm_min=self.storm_min, interval=INTERVAL
        )
        store = open_store(self.lab.url, namespace="musterd", timeout=TIMEOUT, beat_ttl=600.0)
        self.store: Store = await watched(store, Rhythm(INTERVAL, PERIOD))
        self.roll: Roll = make_roll(
            settings, self.store, Clocks(lambda: self.now, time, lambda: 0.0)
        )
        self.answers = Queries(self.roll.view)
        self.reasons: dict[Leg, str] = {}
        self.sweepers = [self._sweeper(shard) for shard in range(len(Leg))]
        self.cells = NewCells(self.store, self._watch_more)

    def _watch_more(self, store: Store) -> None:
        first, self.store = len(self.sweepers), store
        self.roll.add_shards(store.shard_names[first:])
        self.sweepers += [self._sweeper(shard) for shard in range(first, len(store.shard_names))]

    def _sweeper(self, shard: int) -> Sweeper:
        driver = self.store.driver
        assert isinstance(driver, NovaDriver)
        cell, leg = driver.legs[shard]
        source = novareader.source_of(cell, leg, TIMEOUT)
        reader = novareader.NovaReader(source, driver, cell, leg, "c1", lambda: self.now)
        return Sweeper(
            reader,
            shard,
            period=PERIOD,
            timeout=TIMEOUT,
            canary_timeout=lambda: TIMEOUT,
            wall=time,
        )

    async def look(self, seconds: int = 1, *, silent: bool = False) -> None:
        """Let seconds go by, and sweep after each; ``silent``: no nova-compute is heard meanwhile."""
        for _ in range(seconds):
            self.now += PERIOD
            await self.reports(silent=silent)
            await self.sweep()

    async def reports(self, *, silent: bool) -> None:
        """Those report whose turn this second is."""
        await self.lab.report(self._due(self.conductors), "conductor")
        if not silent:
            await self.lab.report([host for host in self._due(self.computes) if self._sends(host)])

    def _due(self, hosts: Sequence[str]) -> list[str]:
        turn = int(self.now) % INTERVAL
        every = [host for at, host in enumerate(hosts) if at % INTERVAL == turn]
        return [host for host in every if host not in self.muted]

    def _sends(self, host: str) -> bool:
        """Say whether its message arrives; one that is lost is waited for as long as Nova does."""
        if self._waits.get(host, 0.0) > self.now:
            return False
        if self._rng.random() < self.lost:
            self._waits[host] = self.now + RPC_RESPONSE_TIMEOUT
            return False
        return True

    async def sweep(self) -> list[SweepOutcome]:
        """Look at both legs once."""
        outcomes = list[SweepOutcome]()
        for index, sweeper in enumerate(self.sweepers):
            while (outcome := await sweeper.once()).roster.more:
                self.roll.apply(index, replace(outcome, begin=self.now, end=self.now))
            outcomes.append(outcome)
            self.roll.apply(index, replace(outcome, begin=self.now, end=self.now))
            if index < len(Leg):  # of the first cell
                self.reasons[list(Leg)[index]] = outcome.reason
        return outcomes

    def states(self, group: str = "compute") -> dict[str, State]:
        """The state of each member."""
        members = self.answers.members(group).members
        return {member.member: member.state for member in members}

    async def aclose(self) -> None:
        """Close all connections."""
        for sweeper in self.sweepers:
            await sweeper.reader.aclose()
        self.lab.close()


def _in(hosts: Sequence[str]) -> str:
    return "(" + ", ".join(f"'{host}'" for host in hosts) + ")"
