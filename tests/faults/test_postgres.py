"""What can happen to a PostgreSQL, and to a PgBouncer in front of one."""

import pytest
from anyio.from_thread import start_blocking_portal

from musterd.testing import CuttingProxy
from musterd.testing.servers import Database, PgBouncer, Postgres
from tests.conftest import StartPgBouncer, StartPostgres
from tests.faults.conftest import StartLab
from tests.faults.disks import full_disk
from tests.faults.outcome import assert_explained
from tests.faults.postgres_others import (
    AGENTS,
    COORDINATORS,
    fill_beats,
    fleets_database,
    leak,
    terminate,
    transaction,
    ways_into,
)

ONE = "one PostgreSQL"
POOLED = "PostgreSQL behind PgBouncer"


@pytest.fixture
def database(start_postgres: StartPostgres) -> Database:
    """Give the fleet's database, on a server of the test's own."""
    return fleets_database(start_postgres(**Postgres.cheap, max_connections=20))


@pytest.fixture
def server(database: Database) -> Postgres:
    """Give the server of the fleet's database."""
    return database.server


def test_writers_blocked_briefly(database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with (
        lab.fault("writers blocked 6 s"),
        transaction(database, "LOCK TABLE musterd.beat IN SHARE MODE"),
    ):
        lab.last(6)
    assert_explained(lab.verify(), "canary was not accepted")


@pytest.mark.full_only
@pytest.mark.parametrize(
    ("fault", "lock", "nova"),
    [
        ("writers blocked 12 s", "beat IN SHARE", "200 of 200 down, 1,374 node-seconds"),
        ("everybody blocked 12 s", "beat IN ACCESS EXCLUSIVE", ""),
        ("members' table blocked 12 s", "member IN ACCESS EXCLUSIVE", ""),
    ],
    ids=["writers", "everybody", "members"],
)
def test_blocked(database: Database, start_lab: StartLab, fault: str, lock: str, nova: str) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault(fault, nova=nova), transaction(database, f"LOCK TABLE musterd.{lock} MODE"):
        lab.last(12)
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


@pytest.mark.full_only
def test_hung(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("all processes hung 12 s (SIGSTOP)"):
        server.pause()
        lab.last(12)
        server.resume()
    assert_explained(lab.verify(), "canary was not accepted")


def test_crashed(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("stopped at once, with crash recovery"):
        server.stop_at_once()
        server.start()
        lab.last(2)
    assert "automatic recovery in progress" in server.log
    # Which a sweep meets is chance, and whether one meets any where the server is back soon.
    outcome = lab.verify()
    if outcome.explained:
        assert_explained(outcome, "connection refused", "starting up", "canary")


@pytest.mark.full_only
def test_away(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    nova = "200 of 200 down, 131 node-seconds, and its reader hangs 11.8 s"
    with lab.fault("stopped 12 s, then started", nova=nova):
        server.stop()
        lab.last(12)
        server.start()
    assert_explained(lab.verify(), "connection refused")


@pytest.mark.full_only
def test_restarted(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("restarted in order (fast)"):
        server.restart()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_no_connections_left(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("no connections left, 12 s"), leak(server):
        lab.last(12)
    assert_explained(lab.verify(), "connection slots")


@pytest.mark.full_only
def test_connections_taken(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("all connections taken by others, 12 s"), leak(server):
        lab.last(1)
        terminate(server, AGENTS, COORDINATORS)
        lab.last(11)
    assert_explained(lab.verify(), "connection slots")


@pytest.mark.full_only
def test_agents_connections_taken(
    server: Postgres, database: Database, start_lab: StartLab
) -> None:
    """A coordinator that still has its connections must not think that agents have theirs."""
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("connections of agents taken by others, 12 s"), leak(server):
        lab.last(1)
        terminate(server, AGENTS)
        lab.last(11)
    assert_explained(lab.verify(), "connection slots")


@pytest.mark.full_only
def test_sessions_terminated(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("all sessions terminated again and again, 12 s"):
        until = lab.now + 12
        while lab.now < until:
            terminate(server, AGENTS, COORDINATORS)
            lab.last(0.1)
    lab.verify()


@pytest.mark.full_only
def test_snapshot_held(database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with (
        lab.fault("snapshot held by others, 15 s"),
        transaction(database, "SELECT count(*) FROM musterd.beat, musterd.member"),
    ):
        lab.last(15)
    outcome = lab.verify()
    assert outcome.not_listening == 0, outcome.explained


@pytest.mark.full_only
def test_disk_full(server: Postgres, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("disk full 12 s, the log's too"):
        with full_disk(server, largest=1 << 20):
            lab.last(12)
        if not server.is_running:  # it gave up, and is started again as systemd would
            server.start()
    assert "File too large" in server.log
    lab.verify()


@pytest.mark.full_only
def test_data_disk_full(server: Postgres, database: Database, start_lab: StartLab) -> None:
    """Beats need no room, but for a snapshot that keeps all of them as they were.

    Room runs out page by page, and for the canary a second or two after it did for some members.
    Whoever dies just then is held with them as a mass silence, where the guard is on.
    """
    lab = start_lab(**ways_into(database), kind=ONE)
    lab.may_hold_the_dead = True
    size = fill_beats(database)
    with (
        lab.fault("data disk full and a snapshot held by others, 12 s"),
        full_disk(server, largest=size),
        transaction(database, "SELECT count(*) FROM musterd.member"),
    ):
        lab.last(12)
    assert_explained(lab.verify(), "could not extend file")


@pytest.mark.full_only
@pytest.mark.parametrize("latency", [0.3, 1.0])
def test_latency(server: Postgres, database: Database, start_lab: StartLab, latency: float) -> None:
    proxy = CuttingProxy(server.host, server.port)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(proxy):
        lab = start_lab(**ways_into(database, proxy.address), kind=ONE)
        with lab.fault(f"every answer {latency:g} s late, 12 s"):
            portal.call(proxy.replies.delay, latency)
            lab.last(12)
            portal.call(proxy.heal)
        assert_explained(lab.verify(), "within")


@pytest.fixture
def pgbouncer(start_pgbouncer: StartPgBouncer, database: Database) -> PgBouncer:
    """Give a PgBouncer in transaction mode that knows the fleet's roles."""
    pgbouncer = start_pgbouncer(database.server)
    pgbouncer.stop()
    pgbouncer.passwords |= dict.fromkeys((AGENTS, COORDINATORS), database.server.password)
    return pgbouncer.start()


def test_pooler_restarted(pgbouncer: PgBouncer, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database, pgbouncer.address), kind=POOLED)
    with lab.fault("PgBouncer restarted"):
        pgbouncer.restart()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_pooler_hung(pgbouncer: PgBouncer, database: Database, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database, pgbouncer.address), kind=POOLED)
    with lab.fault("PgBouncer hung 12 s (SIGSTOP)"):
        pgbouncer.pause()
        lab.last(12)
        pgbouncer.resume()
    assert_explained(lab.verify(), "canary was not accepted")
