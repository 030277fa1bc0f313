"""The door is put together here of what it knows, what services write to it, and how it listens."""

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import anyio
import numpy as np
import structlog
from anyio.abc import TaskGroup

from musterd.errors import ConfigError
from musterd.model import Verdict
from musterd.renewal import keep_looking
from musterd.settings.declared.door import LISTEN
from musterd.settings.settings import Settings
from musterd.tls import Tls, own_tls, server_tls
from musterd.urls import host_and_port
from musterd_coordinator.doorway.guard import check_beats
from musterd_coordinator.judge.members import Seconds
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.nova.answers import Answers
from musterd_coordinator.nova.canary import DoorCanary
from musterd_coordinator.nova.herald import herald_of
from musterd_coordinator.nova.keeping import KeptConnections
from musterd_coordinator.nova.server import DoorServer
from musterd_coordinator.nova.table import NovaTable
from musterd_coordinator.nova.writers import Writers
from musterd_coordinator.process.daemon import lasting

log = structlog.get_logger(__name__)

SOCKET_TIMEOUT = 1.0
"""Seconds that clients of oslo.cache wait for a memcached while nobody sets [cache] socket_timeout."""

_ROUND = 1.0  # seconds from one round of the canary to the next


class Knowledge(Protocol):
    """A `Knowledge` is where verdicts are from."""

    @property
    def verdicts(self) -> Mapping[bytes, Verdict]:
        """Return the verdicts by Nova's key, as they are now."""

    @property
    def listening(self) -> bool:
        """Say whether the store is heard, as far as is known here."""

    @property
    def age(self) -> float:
        """Return the seconds since the store was last proven to be heard."""

    @property
    def origin(self) -> str:
        """Say who tells of verdicts, or why nobody does."""


class NovaDoor:
    """A `NovaDoor` answers a Nova by what is known; it is made inside a running loop."""

    def __init__(
        self,
        settings: Settings,
        knowledge: Knowledge,
        *,
        wall: Callable[[], float],
        passed: Sequence[socket.socket] = (),
        keeping: KeptConnections | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.keeping = keeping
        self._period = min(_ROUND, settings.service_down_time / 10)
        self._timeout = min(SOCKET_TIMEOUT, self._period)
        self.writers = Writers(_rules(settings), period=self._period, timeout=self._timeout)
        self.herald = herald_of(settings)
        tell = self.herald.hear if self.herald is not None else _nobody
        self.answers = Answers(lambda: knowledge.verdicts, self.writers, wall, tell)
        table = NovaTable(self.answers, settings.nova_cache << 20)
        host, port = host_and_port(settings.nova_listen or LISTEN)
        self.tls = _tls(settings)
        self.server = DoorServer(
            *(host, port, table, self.facts), tls=self.tls, passed=passed, keeping=keeping
        )
        self._own_tls = None if self.tls is None else own_tls(settings)

    async def check(self, settings: Settings) -> None:
        """Raise ConfigError if the door would be open to other hosts, or has no certificate."""
        if self.tls is not None:
            self.tls.context()
        if self.herald is not None and self._is_own(settings.store):
            raise ConfigError(
                f"the store is the door itself, {self.server.address}: name the store of beats, as agents"
                " have it, in MUSTERD_STORE"
            )
        by_tls = self.tls is not None
        await check_beats(settings, "the door to Nova", self.server.host, by_tls=by_tls)

    def _is_own(self, store: str) -> bool:
        """Say whether ``store`` is where the door listens, as where it is from Nova's own file."""
        _, _, servers = store.partition("://")
        return self.server.address in servers.partition("?")[0].split(",")

    def facts(self) -> Mapping[str, object]:
        """Return how the door is, for ``stats musterd``."""
        verdicts, answers = self.knowledge.verdicts, self.answers
        return {
            "origin": self.knowledge.origin,
            "listening": int(self.knowledge.listening),
            "age": f"{self.knowledge.age:.1f}",
            "members": len(verdicts),
            "members_down": sum(verdict.down for verdict in verdicts.values()),
            "writers": len(self.writers),
            "writers_down": self.writers.gone,
            "writers_crowded_out": answers.crowded_out,
            "told_up": answers.values,
            "told_down": answers.misses,
            "kept_connections": 0 if self.keeping is None else len(self.keeping),
        }

    def summary(self) -> str:
        """Say how it goes, in one line for an operator."""
        knowledge = self.knowledge
        text = f"answers for {len(knowledge.verdicts)} members and {len(self.writers)} writers"
        if knowledge.listening:
            return f"{text}; {knowledge.origin}"
        return f"{text} by what it knew {knowledge.age:.0f} s ago; {knowledge.origin}"

    def keep_up(self, tasks: TaskGroup) -> None:
        """Start, in ``tasks``, what a door does while it is open."""
        tasks.start_soon(lasting, "writers", self.listen_to_writers)
        if self.herald is not None:
            tasks.start_soon(lasting, "beating for services", self.herald.run)
        if self.tls is not None:
            tasks.start_soon(lasting, "renewed certificates", partial(keep_looking, self.tls))

    async def aclose(self) -> None:
        """Stop listening, and close all connections. Idempotent."""
        await self.server.aclose()
        if self.herald is not None:
            await self.herald.aclose()

    async def listen_to_writers(self) -> None:
        """Judge services that write of themselves, round by round, until cancelled."""
        canary = DoorCanary(self.server.listener, self._own_tls)
        try:
            while True:
                begin = anyio.current_time()
                proven = await canary.got_through(self._timeout)
                end = anyio.current_time()
                self.writers.judge(begin, end, proven=proven, canary=end - begin)
                if self.keeping is not None:
                    self.keeping.retry()
                await anyio.sleep_until(begin + self._period)
        finally:
            canary.close()


def _nobody(key: bytes) -> None:
    """Be told of a service that the door beats for, where there is none."""


def _tls(settings: Settings) -> Tls | None:
    if not settings.nova_tls:
        return None
    tls = server_tls(settings)
    if tls is None:
        raise ConfigError(
            "nova_tls is true, and there is no certificate to speak TLS with: name one in tls_cert_file"
            " and tls_key_file"
        )
    return tls


def _rules(settings: Settings) -> Rules:
    """Return the rules by which writers are judged: no client waits longer for the door than it may."""

    def push_timeouts(intervals: Seconds) -> Seconds:
        return np.minimum(SOCKET_TIMEOUT, intervals)

    return Rules(
        service_down_time=settings.service_down_time,
        interval=settings.interval,
        push_timeout=push_timeouts,
        storm_min=settings.storm_min,
        storm_fraction=settings.storm_fraction,
        storm_hold=settings.storm_hold_seconds,
    )
