"""What others do to a PostgreSQL that a fleet beats to: locks, snapshots, leaks."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import asyncpg
from anyio.from_thread import start_blocking_portal

from musterd.stores.postgres.schema import init_sql
from musterd.testing.servers import Database, Postgres

AGENTS, COORDINATORS = "musterd_agents", "musterd_coordinators"
"""Ordinary roles: some connections are reserved for superusers, and none for a fleet."""


def fleets_database(server: Postgres) -> Database:
    """Make the database of a fleet, with the least rights that agents and coordinators need."""
    for role in (AGENTS, COORDINATORS):
        server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
    server.execute("CREATE DATABASE fleet")
    database = Database(server, "fleet")
    database.execute(init_sql(AGENTS, COORDINATORS))
    return database


def ways_into(database: Database, at: str | None = None, options: str = "") -> dict[str, str]:
    """The URLs of a lab's store, ``at`` other addresses than the server's own, with ``options``."""
    server = database.server
    roles = {"store": COORDINATORS, "agents_store": AGENTS}
    ways = {which: server.dsn_of(database.name, role) for which, role in roles.items()}
    return {
        which: with_options(way.replace(server.address, at or server.address), options)
        for which, way in ways.items()
    }


def with_options(url: str, options: str) -> str:
    """A URL that says this too."""
    return f"{url}{'&' if '?' in url else '?'}{options}" if options else url


def terminate(server: Postgres, *roles: str) -> None:
    """End the sessions of these roles."""
    listed = ",".join(roles)
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename = ANY ('{{{listed}}}')"
    )


@contextmanager
def transaction(database: Database, sql: str) -> Iterator[None]:
    """A superuser's transaction that does ``sql``, and then nothing for as long as this lasts."""
    with start_blocking_portal() as portal:
        connection = portal.call(asyncpg.connect, database.dsn)
        portal.call(connection.execute, f"BEGIN ISOLATION LEVEL REPEATABLE READ; {sql}")
        try:
            yield
        finally:
            portal.call(connection.close)


@contextmanager
def leak(server: Postgres) -> Iterator[None]:
    """An application that opens every connection that is to be had, and keeps it."""
    server.execute(f"CREATE ROLE leaky LOGIN PASSWORD '{server.password}'")
    held: list[asyncpg.Connection[asyncpg.Record]] = []

    async def grab() -> None:
        while True:
            try:
                held.append(await asyncpg.connect(server.dsn_of("postgres", "leaky")))
            except asyncpg.TooManyConnectionsError:
                await anyio.sleep(0.02)

    async def free() -> None:
        for connection in held:
            await connection.close()

    with start_blocking_portal() as portal:
        grabbing = portal.start_task_soon(grab)
        try:
            yield
        finally:
            grabbing.cancel()
            portal.call(free)
    assert held, "there was nothing left to grab"


def fill_beats(database: Database) -> int:
    """Add another fleet's beats until the table is larger than a file of the log; its bytes."""
    database.execute(
        "INSERT INTO musterd.beat SELECT n, now(), 1000000 + n, 0, decode(repeat('00', 64), 'hex')"
        " FROM generate_series(1, 80000) n"
    )
    return int(database.execute("SELECT pg_relation_size('musterd.beat')"))
