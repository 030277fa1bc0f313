"""The stores that the contract tests run on, each a real one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import anyio
import pytest

from musterd.keys import fleet_key_text
from musterd.stores.postgres.schema import init_db
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Postgres
from tests.contract.labs import (
    AGENTS,
    PATIENT,
    EmbeddedLab,
    EmbeddedServer,
    Lab,
    MemoryLab,
    memcached_lab,
    secured_lab,
)
from tests.contract.mariadb_lab import FOLLOWED, mariadb_lab, prepare
from tests.contract.mariadb_lab import RELAYS as OF_RELAYS
from tests.contract.postgres_lab import postgres_lab
from tests.contract.relay_lab import maria_relay_lab, relay_lab
from tests.contract.signing import FLEET

TEMPLATE = "musterd_template"
THREE = "three-memcacheds"
KEYED_SERVERS = ("memcached", THREE, "embedded")
LOCKED = "memcached-locked"
"""By TLS and with a password: what breaks on its way to others breaks the whole of TLS there."""

DATABASES = ("postgresql", "mariadb")
SERVERS = (*KEYED_SERVERS, *DATABASES)
LOGGED = "mariadb with a binary log"
"""Where beats are in InnoDB, as for replicas; else they are in MariaDB's memory."""

DIRECT = ("memory", *SERVERS, LOCKED, LOGGED)
"""Where all that agents say is in the store at once.

A relay tells of a member with its first beat, and leaves one that retires to coordinators.
"""

RELAYS = ("relay", "relay before mariadb")
"""Those with the fleet key write to the memory of a MariaDB, the others to one with a binary log."""

STORES = (*DIRECT, *RELAYS)

UNLOCKED = tuple(store for store in DIRECT if store not in (LOCKED, LOGGED))
"""For what is decided from what was read, however that came: TLS, or a log, changes none of it."""

SIGNED_RELAYS = tuple(f"{relay} with the fleet key" for relay in RELAYS)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[EmbeddedServer]:
    """Run one embedded store for all tests: Python takes its time to start."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def contract_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL that the contract tests may pause and stop."""
    with Postgres(**Postgres.cheap, max_connections=100) as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        for role in (AGENTS, OF_RELAYS):
            server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        prepare = partial(init_db, agents=AGENTS, relays=OF_RELAYS)
        anyio.run(prepare, server.dsn_of(TEMPLATE), PATIENT)
        yield server


@pytest.fixture(scope="session")
def contract_mariadb() -> Iterator[MariaDb]:
    """Run a MariaDB that the contract tests may pause and stop."""
    with MariaDb(**MariaDb.cheap, max_connections=100) as server:
        prepare(server)
        yield server


@pytest.fixture(scope="session")
def contract_mariadb_with_log() -> Iterator[MariaDb]:
    """Run a MariaDB that replicas could follow."""
    with MariaDb(**MariaDb.cheap, max_connections=100, **FOLLOWED) as server:
        prepare(server)
        yield server


@pytest.fixture(params=STORES)
def store_kind(request: pytest.FixtureRequest) -> str:
    """Name the store that the test runs on."""
    kind: str = request.param
    return kind


def _fleet_key_in(folder: Path) -> Path:
    path = folder / "fleet.key"
    path.touch(mode=0o600)
    path.write_text(fleet_key_text(FLEET))
    return path


def _database_lab(kind: str, request: pytest.FixtureRequest) -> AbstractContextManager[Lab]:
    key = _fleet_key_in(request.getfixturevalue("tmp_path")) if kind in SIGNED_RELAYS else None
    if "mariadb" in kind:
        logged = "_with_log" if kind in (LOGGED, *RELAYS) else ""
        maria: MariaDb = request.getfixturevalue(f"contract_mariadb{logged}")
        return maria_relay_lab(maria, key) if "relay" in kind else mariadb_lab(maria)
    postgres: Postgres = request.getfixturevalue("contract_postgres")
    if kind in DATABASES:
        return postgres_lab(postgres, TEMPLATE)
    return relay_lab(postgres, TEMPLATE, key)


@pytest.fixture
def lab(store_kind: str, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Give an empty store."""
    if store_kind == "memory":
        memory = MemoryLab()
        yield memory
        memory.close()
    elif store_kind == "embedded":
        embedded = EmbeddedLab([request.getfixturevalue("embedded_server")])
        yield embedded
        embedded.close()
    elif store_kind in (*DATABASES, LOGGED, *RELAYS, *SIGNED_RELAYS):
        with _database_lab(store_kind, request) as lab_of_database:
            yield lab_of_database
    elif store_kind == LOCKED:
        with secured_lab(request.getfixturevalue("authority")) as locked:
            yield locked
    else:
        with memcached_lab(1 if store_kind == "memcached" else 3) as memcached:
            yield memcached
