"""What can happen to a group of MySQL."""

import pytest

from musterd.testing.mariadb import MariaDatabase
from tests.faults.conftest import StartLab
from tests.faults.lab import Lab
from tests.faults.mariadb_others import fleets_database, ways_into
from tests.faults.outcome import assert_explained
from tests.mysql.group import Group

KIND = "group of three MySQL"


@pytest.fixture
def lab(group: Group, start_lab: StartLab) -> Lab:
    """Give a fleet that knows all of them."""
    database: MariaDatabase = fleets_database(group.primary)
    return start_lab(**ways_into(database, group.addresses), kind=KIND)


def test_primary_lost(group: Group, lab: Lab) -> None:
    primary = group.primary
    with lab.fault("primary lost, another one elected"):
        primary.kill()
        assert group.primary is not primary
        lab.last(4)
    lab.verify()


def test_primary_hung(group: Group, lab: Lab) -> None:
    """When it goes on, it is no member any more, and takes nothing."""
    primary = group.primary
    with lab.fault("primary hung 25 s (SIGSTOP), another one elected"):
        primary.pause()
        lab.last(25)
        primary.resume()
        lab.last(2)
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


def test_no_majority(group: Group, lab: Lab) -> None:
    """It answers reads, and can do nothing else."""
    first = group.primary
    others = [node for node in group.nodes if node is not first]
    with lab.fault("two of three crash, the third is made a group after 15 s"):
        for node in others:
            node.kill()
        lab.last(15)
        group.force(first)
        lab.last(2)
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")
