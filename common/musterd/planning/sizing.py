"""The module finds what a fleet takes on each store, by arithmetic over the coefficients."""

import math
from collections.abc import Mapping
from typing import Any

from musterd.planning.coefficients import Coefficients
from musterd.planning.model import BEHIND, DATABASES, Need, Question, StoreKind

LEAST_SHARDS = 2
"""memcached servers that are planned at least: each member beats to two, so one may be lost."""

SPARE_RELAYS = 1
CANARIES = 2  # connections of one coordinator to each shard

_ROW_BYTES: Mapping[str, int] = {StoreKind.RELAY: 88, StoreKind.RELAY_MARIADB: 168}
"""A beat in what a relay writes: slot, member_id and record in three arrays, in binary; or as text."""


_US = 1e-6


def needed(question: Question, period: float, costs: Coefficients) -> Need:
    """Return what ``question`` takes with sweeps every ``period`` seconds."""
    return _BY_KIND[question.store](question, period, costs)


def copies(kind: StoreKind) -> int:
    """Return how many servers each member beats to."""
    return LEAST_SHARDS if kind is StoreKind.MEMCACHED else 1


def _memcached(question: Question, period: float, costs: Coefficients) -> Need:
    twice = copies(StoreKind.MEMCACHED)
    pushes = twice * question.members / question.interval
    coordinators = int(costs.assumed("coordinators"))
    swept = coordinators * twice * question.members / period
    cores = _US * (pushes * costs["memcached.beat_us"] + swept * costs["memcached.swept_us"])
    memory = (
        twice
        * question.members
        * (costs["memcached.member_bytes"] + costs["memcached.connection_bytes"])
    )
    servers = max(
        LEAST_SHARDS,
        _times(cores, costs.assumed("server_cores") * costs.assumed("server_busy")),
        _times(memory, costs.assumed("server_memory_gb") * 1e9 / 2),
        _times(
            twice * question.members,
            costs.assumed("server_connections") - CANARIES * coordinators,
        ),
    )
    each = math.ceil(twice * question.members / servers)
    return Need(
        server="memcached server",
        servers=servers,
        connections=twice * question.members,
        server_connections=each + CANARIES * coordinators,
        server_memory=memory / servers,
        server_cores=cores / servers,
        reconnect_seconds=_US * each * costs["memcached.connect_us"],
        wal=0.0,
        **_no_relays(),
        **_coordinators(question, period, costs, "memcached", twice, servers),
        **_network(question, period, costs, "memcached", twice),
    )


def _database(question: Question, period: float, costs: Coefficients) -> Need:
    store = question.store
    beats = question.members / question.interval
    connections = question.members + CANARIES * int(costs.assumed("coordinators"))
    return Need(
        server=DATABASES[store],
        servers=1,
        connections=question.members,
        server_connections=connections,
        server_memory=_tables(question, connections, costs, store),
        server_cores=_US * beats * costs[f"{store}.beat_us"]
        + _swept(question, period, costs, store),
        reconnect_seconds=_US * connections * costs[f"{store}.connect_us"],
        wal=beats * costs[f"{store}.beat_wal_bytes"],
        **_no_relays(),
        **_coordinators(question, period, costs, store),
        **_network(question, period, costs, store, 1),
    )


def _relay(question: Question, period: float, costs: Coefficients) -> Need:
    relay, store = question.store, BEHIND[question.store]
    beats = question.members / question.interval
    relay_cores = _US * beats * costs[f"{relay}.beat_us"]
    writing = _US * beats * costs[f"{relay}.database_us"]  # on one connection for each relay
    working = max(
        1,
        _times(max(relay_cores, writing), costs.assumed("relay_busy")),
        _times(question.members, costs.assumed("server_connections")),
    )
    relays = working + SPARE_RELAYS
    each = math.ceil(question.members / working)  # while the spare one is away
    connections = 2 * relays + CANARIES * int(costs.assumed("coordinators"))
    return Need(
        server=DATABASES[store],
        servers=1,
        connections=question.members,
        server_connections=connections,
        server_memory=_tables(question, connections, costs, store),
        server_cores=writing + _swept(question, period, costs, store),
        reconnect_seconds=_US * connections * costs[f"{store}.connect_us"],
        wal=beats * costs[f"{relay}.beat_wal_bytes"],
        relays=relays,
        relay_cores=relay_cores / working,
        relay_memory=costs[f"{relay}.base_bytes"]
        + each * (costs[f"{relay}.connection_bytes"] + _by_tls(costs)),
        **_coordinators(question, period, costs, store),
        **_network(question, period, costs, relay, 1),
    )


def _embedded(question: Question, period: float, costs: Coefficients) -> Need:
    """Put all in one coordinator: its CPU and memory are the server's too."""
    beats = question.members / question.interval
    sizes = _coordinators(question, period, costs, "embedded")
    sizes["coordinators"] = 1
    cores = _US * beats * costs["embedded.beat_us"]
    cores += _US * question.members / period * costs["embedded.swept_us"]
    each = costs["embedded.member_bytes"] + costs["embedded.connection_bytes"] + _by_tls(costs)
    memory = question.members * each
    sizes["coordinator_cores"] += cores
    sizes["coordinator_memory"] += memory
    return Need(
        server="coordinator",
        servers=0,
        connections=question.members,
        server_connections=question.members,
        server_memory=memory,
        server_cores=cores,
        reconnect_seconds=_US * question.members * costs["embedded.connect_us"],
        wal=0.0,
        **_no_relays(),
        **sizes,
        **_network(question, period, costs, "embedded", 1),
    )


def _by_tls(costs: Coefficients) -> float:
    """Return the bytes that a connection takes more where it is by TLS, as settings of a plan have it."""
    return 1000 * costs.assumed("tls_connection_kb")


def _no_relays() -> dict[str, Any]:
    return {"relays": 0, "relay_cores": 0, "relay_memory": 0}


def _tables(question: Question, connections: int, costs: Coefficients, store: str) -> float:
    """Return the memory of a database with its tables and so many connections."""
    tables = costs[f"{store}.base_bytes"] + question.members * costs[f"{store}.member_bytes"]
    return tables + connections * costs[f"{store}.connection_bytes"]


def _swept(question: Question, period: float, costs: Coefficients, store: str) -> float:
    """Return the cores of a database that all coordinators sweep."""
    rows = costs.assumed("coordinators") * question.members / period
    return _US * rows * _of_a_sweep("swept_us", question, period, costs, store)


def _of_a_sweep(
    what: str, question: Question, period: float, costs: Coefficients, store: str
) -> float:
    """Return what a member costs a sweep.

    PostgreSQL sends only beats that are new since the last sweep.
    """
    new = costs[f"{store}.{what}"]
    if store != "postgresql":
        return new
    old = costs[f"{store}.unchanged_{what}"]
    return old + min(1.0, period / question.interval) * (new - old)


def _coordinators(
    question: Question,
    period: float,
    costs: Coefficients,
    store: str,
    copied: int = 1,
    shards: int = 1,
) -> dict[str, Any]:
    """Return one coordinator's share.

    It reads all shards with one core; they serve side by side.
    """
    records = copied * question.members
    reading = _US * records * _of_a_sweep("read_us", question, period, costs, store)
    serving = _US * records * _of_a_sweep("swept_us", question, period, costs, store) / shards
    each = costs["coordinator.member_bytes"]
    return {
        "coordinators": int(costs.assumed("coordinators")),
        "coordinator_cores": reading / period,
        "coordinator_memory": costs["coordinator.base_bytes"] + question.members * each,
        "sweep_period": period,
        "sweep_seconds": reading + serving,
    }


def _network(
    question: Question, period: float, costs: Coefficients, store: str, copied: int
) -> dict[str, Any]:
    beats = copied * question.members / question.interval
    each = costs[f"{store}.beat_wire_bytes"]
    used = beats * (each + _ROW_BYTES.get(store, 0))
    if store != "embedded":  # which is swept by its own process
        swept = costs.assumed("coordinators") * copied * question.members / period
        read = BEHIND.get(question.store, store)
        used += swept * _of_a_sweep("swept_wire_bytes", question, period, costs, read)
    return {"beats_a_second": question.members / question.interval, "network": used}


def _times(amount: float, each: float) -> int:
    return math.ceil(amount / each)


_BY_KIND = {
    StoreKind.MEMCACHED: _memcached,
    **dict.fromkeys(DATABASES, _database),
    **dict.fromkeys(BEHIND, _relay),
    StoreKind.EMBEDDED: _embedded,
}
