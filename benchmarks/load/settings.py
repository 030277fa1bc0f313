"""The module says what a load run is asked to do, and what follows from that; it is pure."""

import math
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.load.fleet import ZONES

OWN = ("memcached", "postgresql", "embedded", "relay")
"""Words that start a server of our own, instead of a store URL."""

ONE_EACH = 4000
"""Members up to this number have a connection each; more share."""

SHARED = 128
"""Connections of one process that its members share."""

SESSIONS = 16
"""The same for PostgreSQL, which keeps a process for each connection."""

TOGETHER = 32
"""Members with beats that travel together to a relay, where they share connections."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The `Settings` are those of one run. Durations are seconds; None means: made from the others."""

    store: str
    agents: int
    interval: float
    duration: float
    processes: int
    connections: int | None = None
    kill: int | None = None
    service_down_time: float = 60.0
    sweep_period: float = 1.0
    threads: int = 2
    relay: str | None = None
    relays: int = 1
    ramp: bool = False
    p99: float = 0.5
    keep: bool = False

    @property
    def lanes(self) -> int:
        """Return how many connections one process has to one shard."""
        if self.connections is not None:
            return max(1, self.connections // self.processes)
        most = math.ceil(self.agents / self.processes)
        if self.is_postgres and not self.is_relayed:
            return min(SESSIONS, most)
        return most if self.agents <= ONE_EACH else SHARED

    @property
    def together(self) -> int:
        """Return how many members that are due one after the other share a connection."""
        shared = self.agents > ONE_EACH and self.connections is None
        return TOGETHER if self.is_relayed and shared else 1

    @property
    def is_relayed(self) -> bool:
        """Say whether agents beat to relays."""
        return self.store == "relay" or self.relay is not None

    @property
    def is_postgres(self) -> bool:
        """Say whether agents beat to PostgreSQL itself."""
        return self.store.startswith("postgres")

    @property
    def push_timeout(self) -> float:
        """Return how long an agent gives one beat, in seconds.

        It is :attr:`musterd.settings.settings.Settings.push_timeout_for`.
        """
        return min(5.0, 0.8 * self.interval)

    @property
    def beat_ttl(self) -> float:
        """Return how long a store keeps a beat, in seconds.

        It is :attr:`musterd.settings.settings.Settings.beat_ttl`.
        """
        return 10 * self.service_down_time

    @property
    def bound(self) -> float:
        """Return how much later, at most, a member that stopped is down."""
        return self.service_down_time + self.sweep_period + self.interval

    @property
    def stop_at(self) -> float:
        """Return when, in the run, members are stopped on purpose."""
        return self.duration / 3

    @property
    def measures_detection(self) -> bool:
        """Say whether the stopped members can be found before the run ends."""
        return not self.ramp and self.duration - self.stop_at > self.bound

    @property
    def stopped(self) -> list[int]:
        """Return the numbers of the members that are stopped, spread over the fleet."""
        if not self.measures_detection:
            return []
        count = min(20, self.agents // 10) if self.kill is None else min(self.kill, self.agents)
        return [self._one_of(place, place * self.agents // count) for place in range(count)]

    def _one_of(self, place: int, start: int) -> int:
        """Return member number ``place`` of those that are stopped, at ``start`` or soon after it.

        Each is of another zone, or they would be held back as a mass silence.
        """
        number = start + (place - start) % ZONES
        return number if number < self.agents else start

    def shares(self) -> list[range]:
        """Return the members of each process."""
        edges = [share * self.agents // self.processes for share in range(self.processes + 1)]
        return [range(begin, end) for begin, end in pairwise(edges)]
