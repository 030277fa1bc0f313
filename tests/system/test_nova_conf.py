"""Both daemons run by a nova.conf as it stands."""

from contextlib import ExitStack

from musterd.model import State
from musterd.testing.authority import Authority
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
from musterd.testing.mariadb import MariaDb
from musterd.testing.secured import SecuredMariaDb
from tests.conftest import StartMemcached

# The example of Nova's manual, with two servers and a brief down time.
NOVA_CONF = """\
[DEFAULT]
# Driver for the ServiceGroup service
servicegroup_driver = "mc"
# A comma-separated list of memcached servers
memcached_servers = {servers}
# Timeout; maximum time since last check-in for up service
service_down_time = 4
transport_url = rabbit://openstack:secret@controller:5672/

[database]
connection = mysql+pymysql://nova:secret@controller/nova
"""
NAMES = ["compute-1", "compute-2", "compute-3"]


def test_the_manuals_example_drives_both_daemons(start_memcached: StartMemcached) -> None:
    servers = ",".join(start_memcached().address for _ in range(2))
    nova_conf = NOVA_CONF.format(servers=servers)
    with ExitStack() as stack:
        coordinator = Coordinator("unused")
        coordinator.configured_by(
            "nova.conf", nova_conf, "--listen", coordinator.address, "--sweep-period", "0.5"
        )
        stack.enter_context(coordinator)
        agents = [Agent("unused", name) for name in NAMES]
        for agent, name in zip(agents, NAMES, strict=True):
            stack.enter_context(agent.configured_by("nova.conf", nova_conf, "--member", name))
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, *NAMES), "all up")
        agents[0].kill()
        watch.until(all_in(State.DOWN, NAMES[0]), "down")
        assert watch.seen[NAMES[1]] <= {State.UNKNOWN, State.UP}
        status = coordinator.client.status()
        assert status.service_down_time == 4
        assert len(status.shards) == 2


STOCK = """\
[DEFAULT]
service_down_time = 4
[database]
connection = mysql+pymysql://nova:s3cret@localhost:{port}/nova?charset=utf8&plugin=dbcounter&ssl_ca={ca}
"""


def test_a_stock_one_drives_both_daemons_by_tls_and_leaves_novas_tables_alone(
    authority: Authority,
) -> None:
    """Nova's account has the rights that deployments give it; nobody ran `musterd init-db`."""
    made = authority.issue("mariadb", "DNS:localhost")
    strict = {**MariaDb.cheap, "require-secure-transport": "on", "log-bin": "binlog"}
    with ExitStack() as stack:
        server = stack.enter_context(SecuredMariaDb(made, authority.file, **strict))
        server.execute("CREATE DATABASE nova; CREATE TABLE nova.services (host varchar(255))")
        server.execute("CREATE USER nova IDENTIFIED BY 's3cret'; GRANT ALL ON nova.* TO nova")
        stock = STOCK.format(port=server.port, ca=authority.file)
        coordinator = Coordinator("unused")
        arguments = ("--listen", coordinator.address, "--sweep-period", "0.5")
        stack.enter_context(coordinator.configured_by("nova.conf", stock, *arguments))
        watch = Watch(coordinator)
        agents = [Agent("unused", name) for name in NAMES]
        for agent, name in zip(agents, NAMES, strict=True):
            stack.enter_context(agent.configured_by("nova.conf", stock, "--member", name))
        watch.until(all_in(State.UP, *NAMES), "all up")
        agents[0].kill()
        watch.until(all_in(State.DOWN, NAMES[0]), "down")
        assert watch.seen[NAMES[1]] <= {State.UNKNOWN, State.UP}
        assert server.execute("SELECT COUNT(*) FROM services", "nova") == "0"
        assert {*server.execute("SHOW TABLES", "nova").split()} >= {"services", "musterd_beat"}
        assert "s3cret" not in coordinator.log + agents[1].log
