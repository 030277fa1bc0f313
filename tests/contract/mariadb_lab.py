"""A MariaDB under test, seen and changed by hand."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from musterd.model import Member
from musterd.stores import ShardWriter
from musterd.stores.base import Driver
from musterd.stores.mysql.schema import init_db, init_sql
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.store import MySqlDriver
from musterd.stores.mysql.url import parse_url
from musterd.testing.mariadb import SUPERUSER, MariaDatabase, MariaDb
from musterd.testing.processes import ServerError
from tests.contract.database_lab import DatabaseLab, of
from tests.contract.labs import AGENTS, PATIENT

COORDINATORS = "musterd_coordinators"
RELAYS = "musterd_relays"

FOLLOWED = {"server_id": 1, "log_bin": "binlog", "binlog_format": "ROW"}
"""Settings of a server that replicas can follow."""


@dataclass(frozen=True)
class TwoAccounts(MySqlDriver):
    """A database whose readers have the rights of coordinators, and ``agents`` those of agents."""

    agents: Driver

    def writer(self, shard: int) -> ShardWriter:
        return self.agents.writer(shard)


class MariaLab(DatabaseLab):
    """One MariaDB database, where everybody has no rights but theirs."""

    owner = COORDINATORS
    tables = "musterd_"
    database: MariaDatabase

    def __init__(self, database: MariaDatabase) -> None:
        self.servers = [database.server]
        self.database = database
        self.url = database.server.url_of(database.name, COORDINATORS)

    async def make_tables(self) -> None:
        await init_db(self.database.url, PATIENT)

    def end_sessions(self) -> None:
        others = "FROM information_schema.PROCESSLIST WHERE db <> '' AND id <> CONNECTION_ID()"
        for number in self.execute(f"SELECT id {others}").split():
            with suppress(ServerError):  # which may have gone by itself
                self.execute(f"KILL {number}")

    @property
    def forgets_beats(self) -> bool:
        engine = "SELECT engine FROM information_schema.TABLES WHERE table_schema = DATABASE()"
        return self.execute(f"{engine} AND table_name = '{{beat}}'") == "MEMORY"

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        # As where others share it: a table in memory has no locks of rows.
        self.execute("ALTER TABLE {beat} ENGINE = InnoDB")
        link = MySqlSession(parse_url(self.database.url), PATIENT)
        try:
            async with link.transaction() as session:
                await session.once("SELECT slot FROM musterd_beat WHERE slot >= 0 FOR UPDATE")
                yield
        finally:
            link.close()

    def url_of(self, account: str) -> str:
        """The URL of the database, for an account."""
        return self.database.server.url_of(self.database.name, account)

    def with_agents(self, driver: Driver, agents: Driver) -> Driver:
        assert isinstance(driver, MySqlDriver)
        return TwoAccounts(driver.target, driver.namespace, driver.timeout, driver.keyring, agents)

    def slots(self, number: int) -> range:
        return range(1, 1 + number)

    def seconds(self, number: float) -> str:
        return f"{number} SECOND"

    def in_hex(self, value: bytes) -> str:
        return f"x'{value.hex()}'"

    def hex_of(self, column: str) -> str:
        return f"HEX({column})"

    def announcement(self, member: Member) -> tuple[Member, bytes]:
        told = self.execute(
            "SELECT CONCAT_WS('/', HEX(zone), HEX(owner), HEX(metadata), COALESCE(HEX(mac), ''))"
            f" FROM {{member}} {of(member)}"
        )
        zone, owner, metadata, mac = map(bytes.fromhex, told.split("/"))
        facts = json.loads(metadata)
        return Member(member.group, member.name, zone.decode(), owner.decode(), facts), mac

    def tamper(self, told: Member, mac: bytes) -> None:
        self.execute(
            f"UPDATE {{member}} SET zone = '{told.zone}', owner = '{told.owner}',"
            f" mac = NULLIF({self.in_hex(mac)}, ''), version = UUID_SHORT() {of(told)}"
        )


def prepare(server: MariaDb) -> None:
    """Make the accounts."""
    for account in (AGENTS, RELAYS, COORDINATORS):
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{server.password}'")


@contextmanager
def maria_database(server: MariaDb) -> Iterator[MariaDatabase]:
    """A database of the test's own, with the tables in it."""
    with server.database() as database:
        database.execute(init_sql(AGENTS, COORDINATORS, database.name, relays=RELAYS))
        try:
            yield database
        finally:
            # What is granted of a procedure outlives it, and each database has its own.
            database.execute(
                "".join(
                    f"REVOKE ALL ON PROCEDURE {database.name}.musterd_{name} FROM {account};\n"
                    for name in ("announce", "beat", "beat_look", "retire")
                    for account in (AGENTS, COORDINATORS)
                )
                + f"REVOKE ALL ON PROCEDURE {database.name}.musterd_fit FROM {COORDINATORS}"
            )


@contextmanager
def mariadb_lab(server: MariaDb) -> Iterator[MariaLab]:
    """A database of the test's own as a store."""
    with maria_database(server) as database:
        lab = MariaLab(database)
        assert SUPERUSER not in lab.url
        try:
            yield lab
        finally:
            lab.close()
