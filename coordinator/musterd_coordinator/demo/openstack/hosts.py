"""The program is the compute hosts of an OpenStack, as far as their reports go: by Nova's own code.

It runs in the environment that has Nova, with a nova.conf and the number of hosts. It makes the tables by
Nova's migrations, maps a cell, and has a row for each host. Each of them reports by Nova's own
`servicegroup` API, its driver `db`, its objects and its timers, from a thread of its own. None has a
message queue: all write to the database, as a conductor does for them.

``{"order": "stop", "host": H}`` ends the reports of one. When there are no more orders, all end.
"""

from nova import monkey_patch

monkey_patch.patch(backend="threading")  # as nova-compute does, before anything else is imported

import json
import logging
import os
import sys
import time
from typing import Any

import nova.conf
from nova import config, context, objects, servicegroup
from nova.db import migration
from oslo_service import threadgroup

CONF = nova.conf.CONF
CELL = "d6b3f4a0-0000-4000-8000-000000000001"


class Host:
    """A `Host` is what Nova's drivers know of a `nova.service.Service`."""

    def __init__(self, service_ref: Any) -> None:
        self.service_ref = service_ref
        self.report_interval = CONF.report_interval
        self.tg = threadgroup.ThreadGroup()


def main() -> None:
    """Begin, say so, and carry out orders."""
    _, file, count = sys.argv
    logging.disable(logging.CRITICAL)
    config.parse_args(["nova-compute", "--config-file", file])
    _make_tables()
    names = [f"host-{number:04d}" for number in range(1, int(count) + 1)]
    hosts = {name: Host(_row(name)) for name in names}
    _report(hosts)
    print(json.dumps({"hosts": names}), flush=True)
    for line in sys.stdin:
        hosts[json.loads(line)["host"]].tg.stop()
        print(json.dumps({"stopped": True}), flush=True)
    os._exit(0)  # threads wait for their turn, or for a database that hangs


def _make_tables() -> None:
    objects.register_all()
    objects.Service.enable_min_version_cache()
    migration.db_sync(database="api")
    migration.db_sync(database="main")
    where = CONF.database.connection
    cell = {"uuid": CELL, "name": "cell1", "transport_url": "none:///"}
    objects.CellMapping(context.get_admin_context(), database_connection=where, **cell).create()


def _row(host: str) -> Any:
    """Make a service's row as it makes it itself."""
    service = objects.Service(context.get_admin_context())
    service.host, service.binary, service.topic = host, "nova-compute", "compute"
    service.report_count = 0
    service.create()
    return service


def _report(hosts: dict[str, Host]) -> None:
    """Have all of them report, at all times of an interval."""
    api = servicegroup.API()
    for name, host in hosts.items():
        api.join(name, "compute", host)
        time.sleep(CONF.report_interval / len(hosts))


if __name__ == "__main__":
    main()
