"""The program is the service nova-compute of several hosts, with nothing below it that runs instances.

It runs in the environment that has Nova, with the hosts' names, comma-separated, and the options of
nova-compute. Each host is a `nova.service.Service` as `nova.cmd.compute` starts it: it waits for a
conductor, makes its row or finds it, serves its own queues, and reports by Nova's timer, its driver
`db` and its objects, which have no database and ask a conductor over RPC. Only the manager is Nova's
bare one: a ComputeManager needs a hypervisor and Placement, and there is one of them in a process.
"""

from nova import monkey_patch

monkey_patch.patch(backend="threading")  # as nova.cmd.compute does, before it imports anything

import sys
import threading

import nova.conf
import nova.db.main.api
from nova import config, objects, service
from nova.compute import rpcapi
from nova.conductor import rpcapi as conductor
from nova.objects import base
from oslo_log import log as logging

MANAGER = "nova.manager.Manager"


def main() -> None:
    """Start the service of each host, and let them report."""
    program, hosts, *options = sys.argv
    config.parse_args([program, *options])
    logging.setup(nova.conf.CONF, "nova")
    objects.register_all()
    nova.db.main.api.DISABLE_DB_ACCESS = True
    base.NovaObject.indirection_api = conductor.ConductorAPI()
    objects.Service.enable_min_version_cache()
    for host in hosts.split(","):
        service.Service.create(
            host=host,
            binary="nova-compute",
            topic=rpcapi.RPC_TOPIC,
            topic_alt=rpcapi.RPC_TOPIC_ALT,
            manager=MANAGER,
        ).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
