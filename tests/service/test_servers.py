"""The test servers themselves: they start, stay on their port, freeze, crash and leave nothing."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest

from musterd.testing import keeper, processes
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import (
    HOST,
    Database,
    Memcached,
    PgBouncer,
    Postgres,
    ServerError,
    held_port,
    memcached_url,
)
from tests.conftest import StartMemcached, StartPostgres


def ask(server: Memcached, question: bytes, timeout: float = 5.0) -> bytes:
    with socket.create_connection((server.host, server.port), timeout) as client:
        client.sendall(question)
        return client.recv(4096)


def test_memcached_stays_on_its_port(memcached: Memcached) -> None:
    before = memcached.address, memcached.pid
    memcached.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(memcached, b"version\r\n")
    memcached.start()
    assert ask(memcached, b"version\r\n").startswith(b"VERSION")
    assert memcached.address == before[0]
    assert memcached.pid != before[1]


def test_paused_memcached_accepts_but_does_not_answer(memcached: Memcached) -> None:
    memcached.pause()
    with pytest.raises(TimeoutError):
        ask(memcached, b"version\r\n", timeout=0.05)
    memcached.resume()
    assert ask(memcached, b"version\r\n").startswith(b"VERSION")


def test_memcached_takes_extra_arguments(start_memcached: StartMemcached) -> None:
    small, other = start_memcached("-m", "8"), start_memcached()
    assert b"limit_maxbytes 8388608" in ask(small, b"stats\r\n")
    url = memcached_url(small, other, replicas=2)
    assert url == f"memcached://{small.address},{other.address}?replicas=2"


def test_nobody_is_given_a_held_port() -> None:
    with held_port() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HOST, port))


async def test_database_is_empty_and_answers(database: Database) -> None:
    assert database.execute("SELECT count(*) FROM pg_stat_user_tables") == "0"
    connection = await asyncpg.connect(database.dsn)
    assert await connection.fetchval("SELECT current_database()") == database.name
    await connection.close()


def test_databases_are_dropped_with_their_sessions(postgres: Postgres) -> None:
    with postgres.database() as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS one")
        with postgres.database(template=database.name) as copy:
            assert copy.execute("SELECT one FROM t") == "1"
    gone = f"SELECT count(*) FROM pg_database WHERE datname = '{database.name}'"
    assert postgres.execute(gone) == "0"


async def test_pgbouncer_passes_transactions_on(pgbouncer: PgBouncer, database: Database) -> None:
    dsn = pgbouncer.dsn_of(database.name)
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    assert await connection.fetchval("SELECT current_database()") == database.name
    await connection.close()


def test_private_postgres_crashes_and_recovers(start_postgres: StartPostgres) -> None:
    server = start_postgres(max_connections=20)
    server.execute("CREATE TABLE kept AS SELECT 1; CREATE UNLOGGED TABLE lost AS SELECT 1")
    processes = keeper.tree(server.pid)
    assert len(processes) > 1
    server.kill()
    assert not any(map(keeper.is_running, processes))
    server.start()
    count = "SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM lost)"
    assert server.execute(count) == "1|0"
    assert server.execute("SHOW max_connections") == "20"


def test_pause_freezes_every_process_of_postgres(start_postgres: StartPostgres) -> None:
    server = start_postgres(**Postgres.cheap)
    server.pause()
    states = {Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in keeper.tree(server.pid)}
    assert states == {"T"}
    server.resume()
    assert server.execute("SELECT 1") == "1"


def test_mariadb_keeps_temporary_files_where_no_other_removes_them(mariadb: MariaDb) -> None:
    """Each removes at its start what it finds there, were it in use by another."""
    assert mariadb.execute("SELECT @@tmpdir") == str(mariadb.directory)


def test_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(ServerError, match=r"run 'make setup' \(or apt-get install nosuch"):
        processes.find_program("nosuchd", "nosuch")


def test_a_server_that_fails_shows_its_log() -> None:
    with pytest.raises(ServerError, match=r"Memcached on .* failed:\n.*--nonsense"):
        Memcached("--nonsense").__enter__()


def test_servers_end_with_a_killed_test_run() -> None:
    script = """
        import os, signal
        from musterd.testing.servers import Memcached
        server = Memcached().start()
        server.pause()
        print(server.pid, server.directory, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[2]
    run = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    # The keeper closes its copy of the pipe last of all, so this also waits for it.
    output, _ = run.communicate()
    pid, directory = output.split()
    assert run.returncode == -signal.SIGKILL
    assert not keeper.is_running(int(pid))
    assert not Path(directory).exists()
