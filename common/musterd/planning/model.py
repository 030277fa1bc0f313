"""The planner's questions and answers are plain structs, which are its JSON too."""

from enum import StrEnum

import msgspec


class StoreKind(StrEnum):
    """A ``StoreKind`` is a way for beats to travel."""

    MEMCACHED = "memcached"
    POSTGRESQL = "postgresql"
    MARIADB = "mariadb"
    RELAY = "relay"
    RELAY_MARIADB = "relay-mariadb"
    EMBEDDED = "embedded"


DATABASES = {
    StoreKind.POSTGRESQL: "PostgreSQL",
    StoreKind.MARIADB: "MariaDB",
}
BEHIND = {
    StoreKind.RELAY: StoreKind.POSTGRESQL,
    StoreKind.RELAY_MARIADB: StoreKind.MARIADB,
}
"""The databases that relays write to."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A ``Question`` is a fleet: one member to an agent, one agent to a host.

    Durations are seconds. None: the planner chooses. ``loss`` is the share of beats that do not get
    through, each by itself.
    """

    members: int
    interval: float
    store: StoreKind
    service_down_time: float | None = None
    sweep_period: float | None = None
    loss: float = 0.01

    def asked_of(self, store: StoreKind) -> "Question":
        """Return the same fleet on another store."""
        return msgspec.structs.replace(self, store=store, sweep_period=None)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """A ``Need`` is what a fleet takes, of one server, relay or coordinator.

    Memory is bytes, CPU is cores. ``connections`` are those of all agents; ``server_connections``
    is what the busiest server holds. ``network`` and ``wal`` are bytes a second, of everything
    together. ``sweep_seconds`` is how long one sweep takes, ``reconnect_seconds`` how long a
    server's own CPU is busy with taking all agents back after a restart.
    """

    server: str
    servers: int
    relays: int
    coordinators: int
    beats_a_second: float
    connections: int
    server_connections: int
    server_memory: float
    server_cores: float
    relay_memory: float
    relay_cores: float
    coordinator_memory: float
    coordinator_cores: float
    sweep_period: float
    sweep_seconds: float
    reconnect_seconds: float
    network: float
    wal: float


class Detection(msgspec.Struct, frozen=True):
    """A ``Detection`` is the seconds from a death until the member is down."""

    average: float
    longest: float


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A ``PlanAnswer`` is a plan.

    ``settings`` are whole TOML files, by which program reads them.
    """

    question: Question
    fits: bool
    problems: list[str]
    instead: str | None
    service_down_time: float
    need: Need
    detection: Detection
    false_downs_a_day: float
    settings: dict[str, str]
