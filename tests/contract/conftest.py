"""The stores that the contract tests run on, each a real one."""

from collections.abc import Iterator
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
    postgres_lab,
    secured_lab,
)
from tests.contract.mariadb_lab import mariadb_lab, prepare
from tests.contract.relay_lab import RELAYS, relay_lab
from tests.contract.signing import FLEET

THREE = "three-memcacheds"
KEYED_SERVERS = ("memcached", THREE, "embedded")
LOCKED = "memcached-locked"
"""By TLS and with a password: what breaks on its way to others breaks the whole of TLS there."""

SERVERS = (*KEYED_SERVERS, "postgresql", "mariadb")
DIRECT = ("memory", *SERVERS, LOCKED)
"""Where all that agents say is in the store at once.

A relay tells of a member with its first beat, and leaves one that retires to coordinators.
"""

STORES = (*DIRECT, "relay")

UNLOCKED = tuple(store for store in DIRECT if store != LOCKED)
"""For what is decided from what was read, however that came: TLS and a password change none of it."""

SIGNED_RELAY = "relay with the fleet key"


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[EmbeddedServer]:
    """Run one embedded store for all tests: Python takes its time to start."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def contract_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL that the contract tests may pause and stop."""
    with Postgres(**Postgres.cheap, max_connections=100) as server:
        server.execute("CREATE DATABASE musterd_template")
        for role in (AGENTS, RELAYS):
            server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        prepare = partial(init_db, agents=AGENTS, relays=RELAYS)
        anyio.run(prepare, server.dsn_of("musterd_template"), PATIENT)
        yield server


@pytest.fixture(scope="session")
def contract_mariadb() -> Iterator[MariaDb]:
    """Run a MariaDB that the contract tests may pause and stop."""
    with MariaDb(**MariaDb.cheap, max_connections=100) as server:
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
    elif store_kind in ("postgresql", "relay", SIGNED_RELAY):
        server = request.getfixturevalue("contract_postgres")
        make = postgres_lab if store_kind == "postgresql" else relay_lab
        if store_kind == SIGNED_RELAY:
            make = partial(relay_lab, fleet_key=_fleet_key_in(request.getfixturevalue("tmp_path")))
        with make(server, "musterd_template") as postgres:
            yield postgres
    elif store_kind == "mariadb":
        with mariadb_lab(request.getfixturevalue("contract_mariadb")) as maria:
            yield maria
    elif store_kind == LOCKED:
        with secured_lab(request.getfixturevalue("authority")) as locked:
            yield locked
    else:
        with memcached_lab(1 if store_kind == "memcached" else 3) as memcached:
            yield memcached
