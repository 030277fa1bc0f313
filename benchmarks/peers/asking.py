"""The program has Nova ask who is up, by its own servicegroup API and filter, by orders.

It runs in the environment that has Nova. Its argument is one JSON object: options of ``[cache]`` and of
``[DEFAULT]``. Each order on standard input gets one answer on standard output, one JSON object a line.

========================================  =======================================================
``{"order": "ask", "hosts": […]}``        ``service_is_up`` of each, and ``get_updated_time`` as seconds ago
``{"order": "report", "host": H}``        what a service of ``topic`` writes of itself
``{"order": "filter", "hosts": […]}``     ComputeFilter over hosts, as the scheduler does: how fast
``{"order": "keep", "key": K}``           set and get another value of the same cache
``{"order": "watch", "hosts": […]}``      ask for all again and again, until a line comes: what was said
========================================  =======================================================
"""

import json
import logging
import select
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import nova.conf
from nova import cache_utils, servicegroup
from nova.scheduler.filters import compute_filter
from oslo_utils import timeutils

CONF = nova.conf.CONF


class Asker:
    """An `Asker` has Nova's API with its driver ``mc``, as the services of a controller have it."""

    def __init__(self, options: dict[str, dict[str, Any]]) -> None:
        CONF([], project="nova", default_config_files=[])
        for section, given in options.items():
            for name, value in given.items():
                group = None if section == "DEFAULT" else section
                CONF.set_override(name, value, group)
        self._api = servicegroup.API()

    def ask(self, hosts: list[str], topic: str = "compute") -> dict[str, Any]:
        """Say of each host whether it is up, and when it was updated: seconds ago, None for never."""
        now = timeutils.utcnow(with_timezone=True)
        found = {}
        for host in hosts:
            ref = _service(host, topic)
            updated = self._api.get_updated_time(ref)
            age = None if updated is None else (now - updated).total_seconds()
            found[host] = [self._api.service_is_up(ref), age]
        return {"hosts": found}

    def report(self, host: str, topic: str = "compute") -> dict[str, Any]:
        """Write of a service as it does itself each report_interval."""
        service = SimpleNamespace(service_ref=_service(host, topic), model_disconnected=False)
        self._api._driver._report_state(service)
        return {"lost": service.model_disconnected}

    def filter(self, hosts: list[str]) -> dict[str, Any]:
        """Filter hosts as the scheduler does for each request; return how many pass, and how fast."""
        asked = compute_filter.ComputeFilter()
        states = [SimpleNamespace(service=_service(host)) for host in hosts]
        began = time.perf_counter()
        passed = sum(asked.host_passes(state, None) for state in states)
        return {"passed": passed, "rate": len(hosts) / (time.perf_counter() - began)}

    def keep(self, key: str, value: str) -> dict[str, Any]:
        """Keep a value as Nova keeps an availability zone, and read it again."""
        client = cache_utils.get_client(expiration_time=3600)
        client.set(key, value)
        return {"value": client.get(key)}

    def watch(self, hosts: list[str], topic: str = "compute") -> dict[str, Any]:
        """Ask for all hosts until there is a line to read; count how often each was up, down, or failed."""
        seen: dict[str, Counter[str]] = {host: Counter() for host in hosts}
        while not select.select([sys.stdin], [], [], 0.01)[0]:
            for host in hosts:
                try:
                    up = self._api.service_is_up(_service(host, topic))
                except Exception as error:  # noqa: BLE001  # a request of a user fails by it
                    seen[host][type(error).__name__] += 1
                else:
                    seen[host]["up" if up else "down"] += 1
        sys.stdin.readline()
        return {"seen": seen}


def _service(host: str, topic: str = "compute") -> dict[str, Any]:
    return {
        "topic": topic,
        "host": host,
        "updated_at": None,
        "forced_down": False,
        "disabled": False,
    }


def main() -> None:
    """Carry out one order after another; an order is a line of JSON, as is its answer."""
    logging.disable(logging.CRITICAL)
    try:
        asker = Asker(json.loads(sys.argv[1]))
    except Exception as error:  # noqa: BLE001  # how Nova fails to start is what some tests ask
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), flush=True)
        return
    print(json.dumps({"nova": "ready"}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(asker, order.pop("order"))(**order)
        except Exception as error:  # noqa: BLE001
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
