"""Who asks a coordinator of the fault lab for every member, and keeps what it answered."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from musterd.answers import MemberAnswer
from musterd.errors import MusterdError
from musterd.model import State
from musterd.status import StatusAnswer
from musterd.testing.daemons import Coordinator
from tests.faults.locks import GROUP

INTERVAL = 1.0
POLL = 0.15  # seconds: six to seven times a second


@dataclass(frozen=True, slots=True)
class Sample:
    """What one coordinator answered at one moment; ``at`` is seconds since the lab began.

    ``fresh`` counts members whose silence is shorter than two intervals, ``heard`` the shards that
    are listened to; ``listening`` says whether that is all of them. ``run`` counts how often the
    coordinator was started.
    """

    at: float
    states: dict[str, str]
    fresh: int
    listening: bool
    heard: int
    reasons: tuple[str, ...]
    listening_time: float
    run: int = 0


class Witness(Protocol):
    """Who asks in a thread of its own, and keeps what it was answered."""

    samples: list[Sample]

    def stop(self) -> None:
        """Ask no more."""


class Observer(threading.Thread):
    """Asks one coordinator for everything, again and again, and keeps the answers."""

    def __init__(self, coordinator: Coordinator, epoch: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self.asked_at: list[float] = []
        self._client = coordinator.another_client(timeout=1.0)
        self._epoch = epoch
        self._over = threading.Event()
        self._listened = 0.0  # before the coordinator was last restarted
        self._last = 0.0
        self._run = 0

    def run(self) -> None:
        """Ask until told to stop; a coordinator that does not answer accuses nobody."""
        while not self._over.wait(POLL):
            self.asked_at.append(time.monotonic() - self._epoch)
            try:
                status = self._client.status()
                members = list(self._client.members(GROUP)) if status.members else []
            except MusterdError:
                continue
            self.samples.append(self._sample(status, members))
        self._client.close()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()

    def _sample(self, status: StatusAnswer, members: Sequence[MemberAnswer]) -> Sample:
        now = max((shard.listening_time for shard in status.shards), default=0.0)
        if now < self._last:
            self._listened += self._last
            self._run += 1
        self._last = now
        return Sample(
            at=time.monotonic() - self._epoch,
            states={
                member.member: State.DOWN if member.down else member.state for member in members
            },
            fresh=sum(member.silent_for < 2 * INTERVAL for member in members),
            listening=status.listening,
            heard=sum(shard.listening for shard in status.shards),
            reasons=tuple(shard.reason for shard in status.shards if not shard.listening),
            listening_time=self._listened + now,
            run=self._run,
        )
