"""The program has Nova's own `db` and `mc` drivers work, by orders of the benchmark.

It runs in the virtual environment that has Nova, with two arguments: the database's SQLAlchemy
URL and memcached's address. Each order on standard input gets one answer on standard output, each
one JSON object a line.

===========================================  ====================================================
``{"order": "grow", "services": N}``         have N rows in Nova's table of services
``{"order": "beat", "driver": "db",``        ``count`` heartbeats by ``_report_state``, from as
``"count": C, "threads": T}``                many threads as asked for, one after the other each
``{"order": "fill", "driver": "mc"}``        one heartbeat of every service, in random order
``{"order": "view", "driver": "db"}``        load all services and ask ``service_is_up`` of each
``{"order": "list_all"}``                    load all services, of every binary
===========================================  ====================================================

It works as a host's nova-compute with a local conductor does: by the same objects and the same
queries, with no message queue between, which would only add to the cost.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import nova.conf
from nova import context, objects, servicegroup
from nova.db import migration
from nova.db.main import api as database
from nova.db.main import models
from oslo_utils import timeutils

CONF = nova.conf.CONF
BINARY, TOPIC = "nova-compute", "compute"
DOWN_TIME = 3600  # seconds; longer than any benchmark, so that no service is down in one


class Nova:
    """A `Nova` is services in Nova's database, and both drivers to beat and to ask with."""

    def __init__(self, connection: str, memcached: str) -> None:
        CONF([], project="nova", default_config_files=[])
        CONF.set_override("connection", connection, "database")
        CONF.set_override("max_pool_size", 20, "database")  # or some would connect for each beat
        CONF.set_override("service_down_time", DOWN_TIME)
        CONF.set_override("enabled", True, "cache")
        CONF.set_override("backend", "dogpile.cache.memcached", "cache")
        CONF.set_override("memcache_servers", [memcached], "cache")
        database.configure(CONF)
        objects.register_all()
        objects.Service.enable_min_version_cache()  # as nova-compute does
        migration.db_sync(database="main")
        self._context = context.get_admin_context()
        self._apis = {driver: _api(driver) for driver in ("db", "mc")}
        self._services: list[SimpleNamespace] = []

    def grow(self, services: int) -> dict[str, Any]:
        """Have as many rows as that, each of them just seen."""
        rows = [_row(number) for number in range(len(self._services), services)]
        with database.get_engine().begin() as connection:
            connection.execute(models.Service.__table__.insert(), rows)
        self._services = [SimpleNamespace(service_ref=ref) for ref in self._load()]
        return {"services": len(self._services)}

    def beat(self, driver: str, count: int, threads: int) -> dict[str, Any]:
        """Send heartbeats of services in turn; each thread has services of its own."""
        report = self._apis[driver]._driver._report_state
        shares = [self._services[first::threads] for first in range(threads)]

        def run(share: Sequence[SimpleNamespace]) -> None:
            for number in range(count // threads):
                report(share[number % len(share)])

        return self._sent(lambda: _all(run, shares)) | {"beats": count // threads * threads}

    def fill(self, driver: str) -> dict[str, Any]:
        """Send one heartbeat of every service."""
        report = self._apis[driver]._driver._report_state
        order = random.sample(self._services, len(self._services))
        return self._sent(lambda: [report(one) for one in order])

    def view(self, driver: str) -> dict[str, Any]:
        """Count the services that are up, as the scheduler and the list of services find it out."""
        api = self._apis[driver]
        answer: dict[str, Any] = {}

        def look() -> None:
            answer["up"] = sum(api.service_is_up(service) for service in self._load())

        return _timed(look) | answer

    def list_all(self) -> dict[str, Any]:
        """Count the services of every binary, as the list of them does."""
        answer: dict[str, Any] = {}

        def look() -> None:
            answer["services"] = len(objects.ServiceList.get_all(self._context))

        return _timed(look) | answer

    def _load(self) -> list[Any]:
        services: list[Any] = objects.ServiceList.get_by_binary(self._context, BINARY).objects
        return services

    def _sent(self, work: Callable[[], object]) -> dict[str, Any]:
        """Time heartbeats, and raise when one failed, which the drivers would only log."""
        took = _timed(work)
        lost = sum(getattr(one, "model_disconnected", False) for one in self._services)
        if lost:
            raise RuntimeError(f"{lost} services could not report")
        return took


def _api(driver: str) -> Any:
    CONF.set_override("servicegroup_driver", driver)
    return servicegroup.API()


def _row(number: int) -> dict[str, Any]:
    now = timeutils.utcnow()
    return {
        "host": f"host-{number:07}",
        "binary": BINARY,
        "topic": TOPIC,
        "version": objects.service.SERVICE_VERSION,
        "uuid": f"00000000-0000-4000-8000-{number:012}",
        "created_at": now,
        "last_seen_up": now,
        "disabled": False,
        "forced_down": False,
        "deleted": 0,
        "report_count": 0,
    }


def _all(
    run: Callable[[Sequence[SimpleNamespace]], None], shares: Sequence[Sequence[SimpleNamespace]]
) -> None:
    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(run, shares))


def _timed(work: Callable[[], object]) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - start, "client": time.process_time() - cpu}


def main() -> None:
    """Carry out one order after another; an order is a line of JSON, as is its answer."""
    nova_side = Nova(*sys.argv[1:])
    print(json.dumps({"nova": "ready"}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(nova_side, order.pop("order"))(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
