"""What can happen to a Galera cluster of three nodes."""

from collections.abc import Iterator

import pytest

from musterd.testing.mariadb import MariaDatabase, MariaDb
from tests.faults.conftest import StartLab
from tests.faults.lab import Lab
from tests.faults.locks import Open
from tests.faults.mariadb_others import fleets_database, held, repeated, ways_into
from tests.faults.outcome import assert_explained
from tests.galera import Galera, set_provider, status_of

KIND = "Galera, three nodes"
CUT_OFF = "is cut off from its Galera cluster or not ready"

pytestmark = [pytest.mark.full_only, pytest.mark.mariadb_only]


@pytest.fixture
def cluster(locks: Open) -> Iterator[Galera]:
    """Run three nodes, locked as the fleet is."""
    with Galera(locks.mariadb, MariaDb.cheap) as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Galera) -> MariaDatabase:
    """Give the fleet's database."""
    return fleets_database(cluster.nodes[0])


@pytest.fixture
def lab(cluster: Galera, database: MariaDatabase, start_lab: StartLab) -> Lab:
    """Give a fleet that knows all nodes; agents are at another one than coordinators."""
    ways = ways_into(database, cluster.addresses, cluster.addresses_from(1))
    return start_lab(**ways, kind=KIND)


@pytest.fixture
def lone_lab(cluster: Galera, database: MariaDatabase, start_lab: StartLab) -> Lab:
    """Give a fleet that knows the last node alone."""
    return start_lab(**ways_into(database, cluster.nodes[2].address), kind=KIND)


@pytest.mark.parametrize("number", [0, 1, 2], ids=["coordinators", "agents", "spare"])
def test_node_lost(cluster: Galera, lab: Lab, number: int) -> None:
    whose = ("coordinators'", "agents'", "spare")[number]
    node = cluster.nodes[number]
    with lab.fault(f"{whose} node lost"):
        node.kill()
        lab.last(12)
    lab.verify()


@pytest.mark.parametrize("number", [0, 1], ids=["coordinators", "agents"])
def test_node_hung(cluster: Galera, lab: Lab, number: int) -> None:
    whose = ("coordinators'", "agents'")[number]
    with lab.fault(f"{whose} node hung 20 s (SIGSTOP)"):
        cluster.nodes[number].pause()
        lab.last(20)
        cluster.nodes[number].resume()
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


@pytest.mark.parametrize("number", [0, 1], ids=["coordinators", "agents"])
def test_node_cut_off(cluster: Galera, lab: Lab, number: int) -> None:
    whose = ("coordinators'", "agents'")[number]
    node = cluster.nodes[number]
    with lab.fault(f"{whose} node cut off from the others, 20 s"):
        with cluster.cut_off(node):
            lab.last(20)
        cluster.wait_for_size(node, 3)
    lab.verify()


@pytest.mark.parametrize("dirty", [False, True], ids=["refuses", "dirty"])
def test_only_node_known_cut_off(cluster: Galera, lone_lab: Lab, *, dirty: bool) -> None:
    """It answers reads, of old rows, only where it is told to; and to us not even there."""
    lab, node = lone_lab, cluster.nodes[2]
    node.execute(f"SET GLOBAL wsrep_dirty_reads = {int(dirty)}")
    reads = ", and answers old rows to others" if dirty else ""
    with lab.fault(f"the only node that is known cut off 20 s{reads}"):
        with cluster.cut_off(node):
            cluster.wait_for_size(node, 1)
            lab.last(20)
        cluster.wait_for_size(node, 3)
    assert_explained(lab.verify(), f"{node.address} {CUT_OFF}")


def test_no_majority(cluster: Galera, lab: Lab) -> None:
    """Two of three crash at once: what is left cannot know whether it is the smaller part."""
    first, *others = cluster.nodes
    with lab.fault("two of three nodes crash, the third is made a cluster after 15 s"):
        for node in others:
            node.kill()
        cluster.wait_for(first, wsrep_cluster_status="non-Primary")
        lab.last(15)
        set_provider(first, "pc.bootstrap=1")
        lab.last(2)
    assert_explained(lab.verify(), f"{first.address} {CUT_OFF}")


def test_node_leaves_and_joins(cluster: Galera, lab: Lab) -> None:
    node = cluster.nodes[1]
    with lab.fault("agents' node restarted in order"):
        node.stop()
        lab.last(3)
        node.start()
        cluster.wait_for_size(node, 3)
        lab.last(2)
    lab.verify()


def test_desynced_and_paused(lone_lab: Lab, cluster: Galera) -> None:
    """As a donor is that copies its files for another: it answers reads, and takes no writes."""
    lab, node = lone_lab, cluster.nodes[2]
    database = MariaDatabase(node, "fleet")
    with lab.fault("the only node that is known desynced and paused, as a donor, 12 s"):
        node.execute("SET GLOBAL wsrep_desync = 1")
        with held(database, "FLUSH TABLES WITH READ LOCK"):
            lab.last(12)
        node.execute("SET GLOBAL wsrep_desync = 0")
    assert_explained(lab.verify(), "canary was not accepted", "no answer within")


def test_desynced_and_slow(lone_lab: Lab, cluster: Galera) -> None:
    """It is behind the others for a while, and they do not wait for it."""
    lab, node = lone_lab, cluster.nodes[2]
    with lab.fault("the only node that is known desynced, 12 s"):
        node.execute("SET GLOBAL wsrep_desync = 1")
        lab.last(12)
        node.execute("SET GLOBAL wsrep_desync = 0")
    outcome = lab.verify()
    assert outcome.not_listening == 0, outcome.explained


def test_queries_rejected(lone_lab: Lab, cluster: Galera) -> None:
    lab, node = lone_lab, cluster.nodes[2]
    with lab.fault("the only node that is known rejects all queries, 12 s"):
        node.execute("SET GLOBAL wsrep_reject_queries = ALL")
        lab.last(12)
        node.execute("SET GLOBAL wsrep_reject_queries = NONE")
    assert_explained(lab.verify(), f"{node.address} {CUT_OFF}")


def test_conflicts(cluster: Galera, lab: Lab) -> None:
    """Somebody writes the same rows at another node, so that beats fail at their commit."""
    elsewhere = MariaDatabase(cluster.nodes[2], "fleet")
    touch = "UPDATE musterd_beat SET seen_at = seen_at + INTERVAL 1 SECOND"
    with lab.fault("all beats' rows written at another node, 12 s"), repeated(elsewhere, touch):
        lab.last(12)
    lab.verify()
    assert sum(conflicts(node) for node in cluster.nodes[:2]) > 0


def conflicts(node: MariaDb) -> int:
    """How many transactions of a node's own clients were ended for another node's."""
    status = status_of(node, "wsrep_local_cert_failures", "wsrep_local_bf_aborts")
    return sum(map(int, status.values()))
