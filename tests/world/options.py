"""What a seed draws before its world begins: how large it is, how it is set up, and what happens."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from musterd.limits import PUSH_SHARE, USUAL_PUSH_TIMEOUT


class Trouble(StrEnum):
    """What may happen to one target for a while, or once."""

    HANG = "store hangs"
    REFUSE = "store refuses"
    SLOW = "store is slow"
    FLUSH = "store is flushed"
    CUT = "host is cut off"
    KILL = "agent is killed"
    LEAVE = "agent leaves"
    CRASH = "coordinator crashes"
    RESTART = "coordinator restarts"
    DEAF = "coordinator is cut off"
    DISK = "registry refuses"
    STEP = "wall clock steps"
    ORDER = "operator orders"


AT_STORES = (Trouble.HANG, Trouble.REFUSE, Trouble.SLOW, Trouble.FLUSH)
AT_AGENTS = (Trouble.CUT, Trouble.KILL, Trouble.LEAVE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them, from ``at`` on for ``lasts`` simulated seconds."""

    at: float
    kind: Trouble
    target: int
    lasts: float


@dataclass(frozen=True, slots=True)
class Options:
    """All that a seed decides about its world; durations are simulated seconds."""

    seed: int
    members: int
    stores: int
    replicas: int
    interval: float
    push_timeout: float
    down_time: float
    period: float
    storm_min: int
    delay: float  # the mean of each way
    loss: float  # of each request, and of each answer
    duration: float  # of what goes wrong
    faults: tuple[Fault, ...]

    @property
    def limit(self) -> float:
        """How long a member may be silent."""
        return max(self.down_time, 2.5 * self.interval)

    @property
    def bound(self) -> float:
        """By when all is found after everything works again, by docs/detector.md."""
        allowance = 2 * self.interval + self.push_timeout
        hold = 2 * self.down_time if self.storm_min else 0.0
        rejoin = 2 * self.interval + 2 * self.push_timeout
        return rejoin + self.limit + allowance + hold + 12 * self.period + 15.0


def drawn(seed: int) -> Options:
    """Draw the options of a seed."""
    rng = Random(seed)
    members = rng.choice((3, 3, 4, 5, 6, 8, 8, 12, 12, 20, 30, 60, 300))
    stores = rng.choice((1, 1, 2, 3))
    interval = rng.choice((1.0, 3.0, 5.0, 10.0))
    duration = rng.uniform(60.0, 240.0)
    return Options(
        seed=seed,
        members=members,
        stores=stores,
        replicas=rng.randint(1, stores),
        interval=interval,
        push_timeout=min(USUAL_PUSH_TIMEOUT, PUSH_SHARE * interval),
        down_time=max(rng.choice((5.0, 15.0, 30.0, 60.0)), 2.5 * interval),
        period=rng.choice((0.5, 1.0, 2.0)),
        storm_min=rng.choice((0, 0, 2, 5)),
        delay=rng.choice((0.0005, 0.01, 0.05)),
        loss=rng.choice((0.0, 0.0, 0.001, 0.01)),
        duration=duration,
        faults=_faults(rng, members, stores, duration),
    )


def _faults(rng: Random, members: int, stores: int, duration: float) -> tuple[Fault, ...]:
    """A swarm: first which kinds there are at all, then how often each comes."""
    kinds = [kind for kind in Trouble if rng.random() < 0.4]
    count = rng.choice((1, 3, 6, 12, 25)) if kinds else 0
    mean = rng.choice((1.0, 5.0, 20.0, 60.0))
    drawn_faults = []
    for _ in range(count):
        kind = rng.choice(kinds)
        lasts = min(rng.expovariate(1 / mean), duration / 2)
        many = stores if kind in AT_STORES else members if kind in AT_AGENTS else 2
        target = rng.randrange(many)
        drawn_faults.append(Fault(rng.uniform(1.0, duration), kind, target, lasts))
    return tuple(sorted(drawn_faults, key=lambda fault: (fault.at, fault.kind, fault.target)))
