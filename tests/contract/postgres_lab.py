"""A PostgreSQL under test, seen and changed by hand."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import asyncpg

from musterd.model import Member
from musterd.stores import ShardWriter
from musterd.stores.base import Driver
from musterd.stores.postgres.schema import init_db
from musterd.stores.postgres.store import PostgresDriver
from musterd.testing.servers import SUPERUSER, Database, Postgres, ServerError
from tests.contract.database_lab import DatabaseLab, of
from tests.contract.labs import PATIENT


@dataclass(frozen=True)
class TwoRoles(PostgresDriver):
    """A database whose readers own the tables, and ``agents`` who have an agent's rights."""

    agents: Driver

    def writer(self, shard: int) -> ShardWriter:
        return self.agents.writer(shard)


class PostgresLab(DatabaseLab):
    """One PostgreSQL database, to which agents have no rights but theirs."""

    owner = SUPERUSER
    tables = "musterd."
    database: Database

    def __init__(self, database: Database) -> None:
        self.servers = [database.server]
        self.database = database
        self.url = database.dsn

    async def make_tables(self) -> None:
        await init_db(self.database.dsn, PATIENT)

    def end_sessions(self) -> None:
        with suppress(ServerError):  # it ends its own too
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> ''"
            )

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self.database.dsn)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM musterd.beat WHERE slot >= 0 FOR UPDATE")
                yield
        finally:
            await connection.close()

    def with_agents(self, driver: Driver, agents: Driver) -> Driver:
        assert isinstance(driver, PostgresDriver)
        return TwoRoles(driver.target, driver.namespace, driver.timeout, driver.keyring, agents)

    def slots(self, number: int) -> range:
        return range(number)

    def seconds(self, number: float) -> str:
        return f"'{number} s'"

    def in_hex(self, value: bytes) -> str:
        return f"decode('{value.hex()}', 'hex')"

    def hex_of(self, column: str) -> str:
        return f"encode({column}, 'hex')"

    def announcement(self, member: Member) -> tuple[Member, bytes]:
        text = self.execute(
            "SELECT json_build_array(zone, owner, metadata, encode(coalesce(mac, ''), 'hex'))"
            f" FROM {{member}} {of(member)}"
        )
        zone, owner, metadata, mac = json.loads(text)
        return Member(member.group, member.name, zone, owner, metadata), bytes.fromhex(mac)

    def tamper(self, told: Member, mac: bytes) -> None:
        self.execute(
            f"UPDATE {{member}} SET zone = '{told.zone}', owner = '{told.owner}',"
            f" mac = nullif({self.in_hex(mac)}, ''), changed = pg_current_xact_id() {of(told)}"
        )


@contextmanager
def postgres_lab(server: Postgres, template: str) -> Iterator[PostgresLab]:
    """A database of the test's own, with the tables in it."""
    with server.database(template) as database:
        lab = PostgresLab(database)
        try:
            yield lab
        finally:
            lab.close()
