"""What can happen to a MariaDB."""

import pytest
from anyio.from_thread import start_blocking_portal

from musterd.testing import CuttingProxy
from musterd.testing.mariadb import MariaDatabase, MariaDb
from tests.conftest import StartMariaDb
from tests.faults.conftest import StartLab
from tests.faults.disks import full_disk
from tests.faults.mariadb_others import (
    AGENTS,
    COORDINATORS,
    fill_binary_log,
    fleets_database,
    held,
    leak,
    terminate,
    ways_into,
)
from tests.faults.mariadb_replica import PRIMARY
from tests.faults.outcome import assert_explained

ONE = "one MariaDB"


@pytest.fixture
def database(start_mariadb: StartMariaDb) -> MariaDatabase:
    """Give the fleet's database, on a server of the test's own."""
    return fleets_database(start_mariadb(**MariaDb.cheap, max_connections=20))


@pytest.fixture
def server(database: MariaDatabase) -> MariaDb:
    """Give the server of the fleet's database."""
    return database.server


def test_writers_blocked_briefly(database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("writers blocked 6 s"), held(database, "LOCK TABLES musterd_beat READ"):
        lab.last(6)
    assert_explained(lab.verify(), "canary was not accepted")


@pytest.mark.full_only
@pytest.mark.parametrize(
    ("fault", "lock"),
    [
        ("writers blocked 12 s", "LOCK TABLES musterd_beat READ"),
        ("everybody blocked 12 s", "LOCK TABLES musterd_beat WRITE"),
        ("members' table blocked 12 s", "LOCK TABLES musterd_member WRITE"),
        ("all writers blocked 12 s, as by a backup", "FLUSH TABLES WITH READ LOCK"),
    ],
    ids=["writers", "everybody", "members", "backup"],
)
def test_blocked(database: MariaDatabase, start_lab: StartLab, fault: str, lock: str) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault(fault), held(database, lock):
        lab.last(12)
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


@pytest.mark.full_only
def test_rows_locked(start_mariadb: StartMariaDb, start_lab: StartLab) -> None:
    """By somebody's transaction, as nobody but the fleet itself should write there: in InnoDB."""
    database = fleets_database(start_mariadb(**PRIMARY, **MariaDb.cheap))
    lab = start_lab(**ways_into(database), kind=ONE)
    rows = "SELECT COUNT(*) FROM musterd_beat FOR UPDATE"
    with lab.fault("all beats' rows locked 12 s"), held(database, "START TRANSACTION", rows):
        lab.last(12)
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


@pytest.mark.full_only
def test_hung(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("hung 12 s (SIGSTOP)"):
        server.pause()
        lab.last(12)
        server.resume()
    assert_explained(lab.verify(), "canary was not accepted")


def test_crashed(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("killed and started, with crash recovery"):
        server.kill()
        server.start()
        lab.last(2)
    assert "crash recovery" in server.log
    # Which a sweep meets is chance, and whether one meets any where the server is back soon.
    outcome = lab.verify()
    if outcome.explained:
        assert_explained(outcome, "connection refused", "connection lost", "canary")


@pytest.mark.full_only
def test_away(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("stopped 12 s, then started"):
        server.stop()
        lab.last(12)
        server.start()
    assert_explained(lab.verify(), "connection refused")


@pytest.mark.full_only
def test_restarted(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("restarted in order"):
        server.restart()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_no_connections_left(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("no connections left, 12 s"), leak(server):
        lab.last(12)
    assert_explained(lab.verify(), "Too many connections")


@pytest.mark.full_only
@pytest.mark.parametrize("whose", [(AGENTS, COORDINATORS), (AGENTS,)], ids=["all", "agents"])
def test_connections_taken(
    server: MariaDb, database: MariaDatabase, start_lab: StartLab, whose: tuple[str, ...]
) -> None:
    """A coordinator that still has its connections must not think that agents have theirs."""
    lab = start_lab(**ways_into(database), kind=ONE)
    which = "all connections" if COORDINATORS in whose else "connections of agents"
    with lab.fault(f"{which} taken by others, 12 s"), leak(server):
        lab.last(1)
        terminate(server, *whose)
        lab.last(11)
    assert_explained(lab.verify(), "Too many connections")


@pytest.mark.full_only
def test_sessions_terminated(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("all sessions terminated again and again, 12 s"):
        until = lab.now + 12
        while lab.now < until:
            terminate(server, AGENTS, COORDINATORS)
            lab.last(0.1)
    lab.verify()


@pytest.mark.full_only
def test_snapshot_held(database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
    with (
        lab.fault("snapshot held by others, 15 s"),
        held(database, begin, "SELECT COUNT(*) FROM musterd_beat"),
    ):
        lab.last(15)
    outcome = lab.verify()
    assert outcome.not_listening == 0, outcome.explained


@pytest.mark.full_only
def test_read_only(server: MariaDb, database: MariaDatabase, start_lab: StartLab) -> None:
    lab = start_lab(**ways_into(database), kind=ONE)
    with lab.fault("read-only 12 s"):
        server.execute("SET GLOBAL read_only = 1")
        lab.last(12)
        server.execute("SET GLOBAL read_only = 0")
    assert_explained(lab.verify(), f"{server.address} is read-only")


@pytest.mark.full_only
@pytest.mark.mariadb_only  # MySQL ends itself then: see its binlog_error_action
def test_log_disk_full(start_mariadb: StartMariaDb, start_lab: StartLab) -> None:
    """Beats need no room but in the binary log, as where there are replicas."""
    database = fleets_database(start_mariadb(**PRIMARY, **MariaDb.cheap))
    lab = start_lab(**ways_into(database), kind=ONE)
    size = fill_binary_log(database)
    with lab.fault("disk of the binary log full 12 s"), full_disk(database.server, largest=size):
        lab.last(12)
    assert "File too large" in database.server.log
    assert_explained(lab.verify(), "Error writing file")


@pytest.mark.full_only
@pytest.mark.parametrize("latency", [0.3, 1.0])
def test_latency(
    server: MariaDb, database: MariaDatabase, start_lab: StartLab, latency: float
) -> None:
    proxy = CuttingProxy(server.host, server.port)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(proxy):
        lab = start_lab(**ways_into(database, proxy.address), kind=ONE)
        with lab.fault(f"every answer {latency:g} s late, 12 s"):
            portal.call(proxy.replies.delay, latency)
            lab.last(12)
            portal.call(proxy.heal)
        assert_explained(lab.verify(), "within")
