"""Who asks a coordinator, and Nova, for every host of a cell, and keeps what they answered."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from musterd.errors import MusterdError
from musterd.model import State
from musterd.testing.busy import Patience
from musterd.testing.daemons import Coordinator

POLL = 0.15  # seconds
WAY = "nova_cell1 rpc"
"""The shard that nova-computes are on."""

PATIENCE = 180.0  # seconds on an idle machine


@dataclass(frozen=True, slots=True)
class Sample:
    """What was answered at one moment: the state of each host.

    ``doubt`` says why nobody's silence counts, where it does not, or why nothing was answered; ``at`` is
    monotonic seconds.
    """

    at: float
    states: dict[str, State]
    doubt: str

    def is_well(self, hosts: Iterable[str]) -> bool:
        """Are all of these up, and heard, and would be missed?"""
        return not self.doubt and all(self.states.get(host) is State.UP for host in hosts)


@dataclass(slots=True)
class Seen:
    """What was seen since a fault began."""

    samples: list[Sample] = field(default_factory=list)
    accused: set[str] = field(default_factory=set)
    by_nova: set[str] = field(default_factory=set)  # living hosts that Nova called down
    died_at: dict[str, float] = field(default_factory=dict)
    found_at: dict[str, float] = field(default_factory=dict)

    @property
    def doubted(self) -> float:
        """For how many seconds nobody's silence counted."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(after.at - before.at for before, after in pairs if before.doubt)

    def heard_since(self, at: float) -> float:
        """When the time without a doubt began that lasted at ``at``."""
        doubted = [sample.at for sample in self.samples if sample.doubt and sample.at <= at]
        return max(doubted, default=self.samples[0].at)


class Observer:
    """Asks six times a second, and Nova once, each in a thread of its own.

    Who died is accused by nobody; all others must never be down.
    """

    def __init__(self, coordinator: Coordinator, nova: Sequence[str]) -> None:
        self._client = coordinator.another_client(timeout=2.0)
        self._nova = nova
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._watch, self._ask_nova)]
        self._dead: dict[str, float] = {}
        self.seen = Seen()
        self.latest: Sample | None = None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def begin(self) -> Seen:
        """Keep anew what is seen."""
        self.seen = Seen(died_at=dict(self._dead))
        return self.seen

    def died(self, hosts: Iterable[str]) -> None:
        """These hosts are dead from now on."""
        self._dead |= dict.fromkeys(hosts, time.monotonic())
        self.seen.died_at |= self._dead

    def revived(self) -> None:
        """Nobody is dead any more."""
        self._dead = {}

    def until(self, true: Callable[[Sample], bool], what: str, within: float = PATIENCE) -> None:
        """Wait until a sample is so; AssertionError when none is in time."""
        patience = Patience(within)
        while self.latest is None or not true(self.latest):
            assert not patience.is_over, f"not {what} within {within:g} s: {self.latest}"
            time.sleep(POLL / 3)

    def until_found(self, hosts: Iterable[str]) -> None:
        """Wait until all of these are down."""
        names = list(hosts)
        self.until(lambda now: all(now.states.get(each) is State.DOWN for each in names), "found")

    # -- in threads ----------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over.wait(POLL):
            try:
                status = self._client.status()
                members = list(self._client.members("compute")) if status.members else []
            except MusterdError as error:  # it accuses nobody, and finds nobody
                self._keep(Sample(time.monotonic(), {}, str(error)))
                continue
            sample = Sample(
                time.monotonic(),
                {member.member: member.state for member in members},
                "; ".join(
                    shard.reason
                    for shard in status.shards
                    if shard.shard.endswith(WAY) and not shard.listening
                ),
            )
            self._keep(sample)

    def _keep(self, sample: Sample) -> None:
        seen, self.latest = self.seen, sample
        seen.samples.append(sample)
        for host, state in sample.states.items():
            if state is not State.DOWN:
                continue
            if host in self._dead:
                seen.found_at.setdefault(host, sample.at)
            else:
                seen.accused.add(host)

    def _ask_nova(self) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(self._nova, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            while not self._over.wait(1.0):
                process.stdin.write("\n")
                process.stdin.flush()
                down = json.loads(process.stdout.readline() or "null") or []
                self.seen.by_nova |= {host for host in down if host not in self._dead}
            process.stdin.close()
