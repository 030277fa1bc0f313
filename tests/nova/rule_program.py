"""The program says which services Nova's own drivers of ServiceGroup call up, at a time that it is given.

It runs in the environment that has Nova. A line on standard input is JSON: the word of the driver, the
service_down_time, and for each service how many seconds ago it wrote; null: never. The answer is a line, too:
a list of true and false.
"""

import json
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import nova.conf
from dogpile.cache import make_region
from dogpile.cache.api import CachedValue
from nova import cache_utils
from nova.servicegroup.drivers.db import DbDriver
from nova.servicegroup.drivers.mc import MemcachedDriver
from oslo_utils import timeutils

NOW = 1_764_529_200.25


def main() -> None:
    """Answer until there is no more input."""
    ask: dict[str, Any] = {"db": _by_rows, "mc": _by_values}
    for line in sys.stdin:
        rule, down_time, ages = json.loads(line)
        sys.stdout.write(json.dumps(ask[rule](down_time, ages)) + "\n")
        sys.stdout.flush()


def _by_rows(down_time: float, ages: list[float]) -> list[bool]:
    nova.conf.CONF.set_override("service_down_time", down_time)
    driver, now = DbDriver(), timeutils.utcnow()
    timeutils.set_time_override(now)
    try:
        written = (now - timedelta(seconds=age) for age in ages)
        return [driver.is_up({"last_seen_up": at, "created_at": None}) for at in written]
    finally:
        timeutils.clear_time_override()


def _by_values(down_time: float, ages: list[float | None]) -> list[bool]:
    region = make_region().configure("dogpile.cache.memory", expiration_time=down_time)
    asked = SimpleNamespace(mc=cache_utils.CacheClient(region))
    region.backend._cache.clear()
    dogpile = sys.modules["dogpile.cache.region"].time
    for host, age in enumerate(ages):
        if age is not None:
            value = CachedValue("seen", {"ct": NOW - age, "v": 2})
            region.backend.set(f"compute:{host}", value)
    dogpile_time, dogpile.time = dogpile.time, lambda: NOW
    try:
        services = ({"topic": "compute", "host": host} for host in range(len(ages)))
        return [MemcachedDriver.is_up(asked, service) for service in services]
    finally:
        dogpile.time = dogpile_time


if __name__ == "__main__":
    main()
