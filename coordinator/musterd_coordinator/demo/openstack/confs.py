"""The module writes the nova.conf of who has a database, and the lines of docs/nova.md into it. Pure."""

from typing import NamedTuple

ASKS = "servicegroup_driver = mc"
"""The line by which Nova asks a memcached who is up, and without which its own database."""


class NovaFacts(NamedTuple):
    """These are the databases of an OpenStack, as SQLAlchemy reaches them, and its times in whole seconds."""

    api: str
    cell: str
    report_interval: int
    service_down_time: int


def nova_conf(facts: NovaFacts) -> str:
    """Return a nova.conf in which nothing of musterd stands."""
    return f"""[DEFAULT]
report_interval = {facts.report_interval}
service_down_time = {facts.service_down_time}

[api_database]
connection = {facts.api}

[database]
connection = {facts.cell}
"""


def switched_on(conf: str, door: str) -> str:
    """Return ``conf`` with what docs/nova.md adds to it; ``door`` is an address."""
    asking = conf.replace("[DEFAULT]\n", f"[DEFAULT]\n{ASKS}\n", 1)
    return f"""{asking}
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = {door}
memcache_dead_retry = 0
"""


def switched_off(conf: str) -> str:
    """Return ``conf`` without the line by which Nova asks; the cache that is left is one."""
    return conf.replace(f"{ASKS}\n", "")
