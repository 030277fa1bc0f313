"""What can happen to a MariaDB that has a replica."""

import pytest

from musterd.testing.mariadb import MariaDatabase, MariaDb
from tests.conftest import StartMariaDb
from tests.faults.conftest import StartLab
from tests.faults.lab import Lab
from tests.faults.mariadb_others import fleets_database, ways_into
from tests.faults.mariadb_replica import (
    follow,
    primary_settings,
    promote,
    replica_settings,
    wait_for,
)
from tests.faults.outcome import assert_explained

KIND = "MariaDB with a replica"
SEPARATELY = "take beats, each for itself"


@pytest.fixture
def database(start_mariadb: StartMariaDb) -> MariaDatabase:
    """Give the fleet's database on the primary."""
    return fleets_database(start_mariadb(**primary_settings(**MariaDb.cheap)))


@pytest.fixture
def replica(database: MariaDatabase, start_mariadb: StartMariaDb) -> MariaDb:
    """Give a replica of the primary."""
    replica = start_mariadb(**replica_settings(**MariaDb.cheap))
    follow(replica, database.server)
    return replica


@pytest.fixture
def lab(database: MariaDatabase, replica: MariaDb, start_lab: StartLab) -> Lab:
    """Give a fleet that knows both."""
    hosts = f"{database.server.address},{replica.address}"
    return start_lab(**ways_into(database, hosts), kind=KIND)


@pytest.mark.full_only
def test_replica_promoted(database: MariaDatabase, replica: MariaDb, lab: Lab) -> None:
    with lab.fault("primary lost, replica promoted after 6 s"):
        database.server.kill()
        lab.last(6)
        promote(replica)
        lab.last(2)
    outcome = lab.verify()
    assert_explained(outcome, f"{replica.address} is read-only")
    assert_explained(outcome, f"{database.server.address}: connection refused")


@pytest.mark.full_only
def test_planned_switch(database: MariaDatabase, replica: MariaDb, lab: Lab) -> None:
    """Nobody waits for who might still be at the primary of before: it takes no beats."""
    primary = database.server
    with lab.fault("primary made read-only, replica promoted after 3 s"):
        primary.execute("SET GLOBAL read_only = 1")
        wait_for(replica, primary)
        lab.last(3)
        promote(replica)
        lab.last(2)
    outcome = lab.verify()
    assert_explained(outcome, f"{primary.address} is read-only")
    assert outcome.not_listening < 30, outcome.explained


@pytest.mark.full_only
def test_two_primaries(database: MariaDatabase, replica: MariaDb, lab: Lab) -> None:
    """Agents that start go to the first host that takes beats, and coordinators stay at the other."""
    primary = database.server
    with lab.fault("replica promoted, and the primary of before back, 12 s"):
        primary.kill()
        promote(replica)
        lab.last(4)
        primary.start()
        lab.wait(
            lambda: SEPARATELY in " ".join(lab.latest.reasons if lab.latest else ()), 15, "seen"
        )
        lab.crowds[0].kill()
        lab.crowds[0].start()
        lab.last(12)
        primary.execute("SET GLOBAL read_only = 1")
    assert_explained(lab.verify(), SEPARATELY)


@pytest.mark.full_only
def test_replica_away(replica: MariaDb, lab: Lab) -> None:
    with lab.fault("replica hung 12 s (SIGSTOP)"):
        replica.pause()
        lab.last(12)
        replica.resume()
    outcome = lab.verify()
    assert outcome.not_listening == 0, outcome.explained
