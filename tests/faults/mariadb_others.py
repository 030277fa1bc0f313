"""What others do to a MariaDB that a fleet beats to: locks, snapshots, leaks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import anyio
import asyncmy
from anyio.from_thread import start_blocking_portal
from asyncmy.connection import Connection
from asyncmy.errors import MySQLError

from musterd.stores.mysql.errors import number_of
from musterd.stores.mysql.schema import init_sql
from musterd.testing.busy import Patience
from musterd.testing.mariadb import MARIADB, SUPERUSER, MariaDatabase, MariaDb
from musterd.testing.processes import ServerError

AGENTS, COORDINATORS = "musterd_agents", "musterd_coordinators"
"""Ordinary accounts: there is one connection more for administrators, and none for a fleet."""

_LEAKY = "leaky"
_TOO_MANY = 1040
_KILLS = "SELECT CONCAT('KILL ', id) FROM information_schema.PROCESSLIST WHERE user IN ({})"
_PATIENCE = 10.0


def fleets_database(server: MariaDb) -> MariaDatabase:
    """Make the database of a fleet, with the least rights that agents and coordinators need."""
    for account in (AGENTS, COORDINATORS):
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{server.password}'")
    server.execute("CREATE DATABASE fleet")
    database = MariaDatabase(server, "fleet")
    database.execute(init_sql(AGENTS, COORDINATORS, "fleet"))
    return database


def ways_into(
    database: MariaDatabase, at: str | None = None, agents_at: str | None = None
) -> dict[str, str]:
    """The URLs of a lab's store, ``at`` other addresses than the server's own; agents' at others yet."""
    server = database.server
    ways = {"store": (COORDINATORS, at), "agents_store": (AGENTS, agents_at or at)}
    return {
        which: server.url_of(database.name, account).replace(
            server.address, where or server.address
        )
        for which, (account, where) in ways.items()
    }


def fill_binary_log(database: MariaDatabase) -> int:
    """Write other things until the binary log is larger than every other file; its bytes."""
    fill = "INSERT INTO filling VALUES (REPEAT('x', 4000000));" * 5
    database.execute(f"CREATE TABLE filling (x LONGBLOB);{fill}DROP TABLE filling")
    return int(database.execute("SHOW BINARY LOGS").splitlines()[-1].split("\t")[1])


def terminate(server: MariaDb, *accounts: str) -> None:
    """End the sessions of these accounts.

    The connection for administrators may be taken for a moment by somebody who is about to be refused.
    """
    patience = Patience(_PATIENCE)
    while True:
        try:
            _end_sessions(server, accounts)
        except ServerError as error:
            if "Too many connections" not in str(error) or patience.is_over:
                raise
        else:
            return


def _end_sessions(server: MariaDb, accounts: Sequence[str]) -> None:
    if server.make is MARIADB:
        server.execute("".join(f"KILL CONNECTION USER {account};" for account in accounts))
        return
    named = ",".join(f"'{account}'" for account in accounts)
    for order in server.execute(_KILLS.format(named)).splitlines():
        with suppress(ServerError):  # which may have gone by itself
            server.execute(order)


@contextmanager
def held(database: MariaDatabase, *statements: str) -> Iterator[None]:
    """A superuser's session that executes these, and then nothing for as long as this lasts."""

    async def hold() -> Connection:
        connection = await _connect(database.server, SUPERUSER, database.name)
        for statement in statements:
            await connection.query(statement)
        return connection

    with start_blocking_portal() as portal:
        connection = portal.call(hold)
        try:
            yield
        finally:
            portal.call(connection.ensure_closed)


@contextmanager
def repeated(database: MariaDatabase, statement: str) -> Iterator[None]:
    """A superuser's session that executes this again and again; that it may fail is its own affair."""

    async def repeat() -> None:
        connection = await _connect(database.server, SUPERUSER, database.name)
        try:
            while True:
                with suppress(MySQLError):
                    await connection.query(statement)
        finally:
            connection.close()

    with start_blocking_portal() as portal:
        repeating = portal.start_task_soon(repeat)
        try:
            yield
            assert not repeating.done(), repeating.exception()
        finally:
            repeating.cancel()


@contextmanager
def leak(server: MariaDb) -> Iterator[None]:
    """An application that opens every connection that is to be had, and keeps it."""
    server.execute(f"CREATE USER {_LEAKY} IDENTIFIED BY '{server.password}'")
    taken: list[Connection] = []

    async def grab() -> None:
        while True:
            try:
                taken.append(await _connect(server, _LEAKY))
            except MySQLError as error:
                if number_of(error) != _TOO_MANY:
                    raise
                await anyio.sleep(0.02)

    async def free() -> None:
        for connection in taken:
            await connection.ensure_closed()

    with start_blocking_portal() as portal:
        grabbing = portal.start_task_soon(grab)
        try:
            yield
        finally:
            grabbing.cancel()
            portal.call(free)
    assert taken, "there was nothing left to grab"


async def _connect(server: MariaDb, account: str, database: str | None = None) -> Connection:
    return await asyncmy.connect(
        host=server.host,
        port=server.port,
        user=account,
        password=server.password,
        database=database,
        ssl=server.client_tls,
        autocommit=True,
    )
