"""The program says which hosts Nova itself calls down, by its own objects and its driver `db`.

It runs in the environment that has Nova, with the options of a nova-api. For each line on standard input
it answers with one on standard output: a list of hosts in JSON, or null where the database is away.
"""

import json
import sys

import nova.conf
from nova import config, context, objects, servicegroup
from oslo_db.exception import DBError


def main() -> None:
    """Answer until there is no more input."""
    config.parse_args(sys.argv)
    nova.conf.CONF.set_override("max_retries", 0, "database")
    objects.register_all()
    api = servicegroup.API()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(_down(api)) + "\n")
        sys.stdout.flush()


def _down(api: servicegroup.API) -> list[str] | None:
    try:
        services = objects.ServiceList.get_by_binary(context.get_admin_context(), "nova-compute")
    except DBError:
        return None
    return [service.host for service in services if not api.service_is_up(service)]


if __name__ == "__main__":
    main()
