"""Both daemons run by a nova.conf as it stands."""

from contextlib import ExitStack

from musterd.model import State
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
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
