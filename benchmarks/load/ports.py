"""The module finds the ports that a store URL leads to."""

from typing import NamedTuple

from benchmarks.load.keyed_port import KeyedPort
from benchmarks.load.orders import Plan
from benchmarks.load.port import TIMEOUT, Port
from benchmarks.load.postgres_port import PostgresPort
from benchmarks.load.relay_port import RelayPort
from musterd.errors import ConfigError
from musterd.stores import open_store
from musterd.stores.slots.protocol import whole_ttl


class Ports(NamedTuple):
    """The `Ports` are one port for each shard, and to how many of them a member beats."""

    shards: list[Port]
    replicas: int


def open_ports(plan: Plan) -> Ports:
    """Open the ports of a plan's store. Raises ConfigError for one that a swarm cannot beat to."""
    url, namespace, ttl = plan.beats_to, plan.namespace, whole_ttl(plan.beat_ttl)
    if url.startswith(("postgresql:", "postgres:")):
        return Ports([PostgresPort(url, namespace)], 1)
    if url.startswith("memory:"):
        raise ConfigError("memory: is within one process; a swarm needs a store with sockets")
    store = open_store(url, namespace=namespace, timeout=TIMEOUT, beat_ttl=plan.beat_ttl)
    if plan.tables is None:
        return Ports(
            [KeyedPort(name, namespace, ttl) for name in store.shard_names], store.replicas
        )
    tables = PostgresPort(plan.tables, namespace)
    relays = store.shard_names[0].split(",")  # an agent beats to one of them, its favourite
    return Ports([RelayPort(name, tables, namespace, ttl) for name in relays], 1)
