"""The program is a controller's Nova that is asked which hosts are up, as far as that question goes.

It runs in the environment that has Nova, with a nova.conf: what ``servicegroup_driver`` says there, it asks.
When it is ready it tells which driver that is. ``{"order": "ask"}`` gets ``{"down": [hosts]}``, or
``{"failed": …}`` where Nova itself had an error.
"""

import json
import logging
import sys
from typing import Any

import nova.conf
from nova import config, context, objects, servicegroup

CONF = nova.conf.CONF


class Scheduler:
    """A `Scheduler` asks for each host as a scheduler does: by ``service_is_up``."""

    def __init__(self) -> None:
        self._api = servicegroup.API()
        self._hosts = self._read()

    def ask(self) -> dict[str, Any]:
        """Say who is down."""
        try:
            if CONF.servicegroup_driver == "db":  # which judges by what stands in the row
                self._hosts = self._read()
            return {"down": [one.host for one in self._hosts if not self._api.service_is_up(one)]}
        except Exception as error:  # noqa: BLE001  # a request of a user fails by it
            return {"failed": f"{type(error).__name__}: {error}"}

    def _read(self) -> Any:
        return objects.ServiceList.get_by_binary(context.get_admin_context(), "nova-compute")


def main() -> None:
    """Answer until there are no more questions."""
    logging.disable(logging.CRITICAL)
    config.parse_args(["nova-scheduler", "--config-file", sys.argv[1]])
    objects.register_all()
    scheduler = Scheduler()
    print(json.dumps({"driver": CONF.servicegroup_driver}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(scheduler.ask()), flush=True)


if __name__ == "__main__":
    main()
