"""The module has one shard as a coordinator sees it, and the two clocks that it is seen by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor
from typing import Protocol

import structlog

from musterd import ages
from musterd.ages import Slept
from musterd_coordinator.judge.listening import ListeningClock, Step
from musterd_coordinator.judge.slots import ShardSlots
from musterd_coordinator.sweep.base import Signatures
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.sweep.spoilage import Spoiled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clocks:
    """`Clocks` are where instants come from: ``monotonic`` decides, ``wall`` is shown to people.

    ``slept`` are the seconds that the host was asleep, which ``monotonic`` leaves out.
    """

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    slept: Slept = ages.slept

    def instant(self, at: float) -> datetime:
        """Return the wall clock's reading at ``at`` monotonic seconds."""
        return wall_instant(self.wall() - self.monotonic() + at)

    def from_now(self, seconds: float) -> datetime:
        """Return the wall clock's reading so many monotonic ``seconds`` from now."""
        return self.instant(self.monotonic() + seconds)


def wall_instant(seconds: float) -> datetime:
    """Return seconds of the wall clock as an aware datetime, to the millisecond."""
    # Python's round() to a digit takes six times as long, and every member has an instant.
    return datetime.fromtimestamp(floor(seconds * 1000 + 0.5) / 1000, UTC)


class ShardHealth(Protocol):
    """A `ShardHealth` is a shard as readers may see it: see :class:`ShardState`."""

    @property
    def name(self) -> str:
        """Return its address."""

    @property
    def listening(self) -> bool:
        """Say whether its sweeps prove which members are silent."""

    @property
    def listening_time(self) -> float:
        """Return the seconds for which it was listened to."""

    @property
    def reason(self) -> str:
        """Return why it is not listening; empty while it is."""

    @property
    def since(self) -> float:
        """Return when that began, in seconds of the wall clock."""

    @property
    def canary_seconds(self) -> float | None:
        """Return how long the newest canary took."""

    @property
    def sweep_seconds(self) -> float | None:
        """Return how long the newest sweep took."""

    @property
    def members(self) -> int:
        """Return how many members have a seat."""

    @property
    def beats(self) -> int:
        """Return how many members have a beat there."""

    @property
    def sweeps(self) -> int:
        """Return how many sweeps there were."""

    @property
    def unproven(self) -> int:
        """Return how many of the sweeps proved nothing."""

    @property
    def rejected(self) -> Rejected:
        """Return the records that were no beats."""

    @property
    def signatures(self) -> Signatures:
        """Return figures of what is signed there."""

    @property
    def spoiled(self) -> Spoiled:
        """Return those of the newest sweep that matter."""


@dataclass(slots=True)
class ShardState:
    """A `ShardState` is a shard's clock, its seats, and what its sweeps were like.

    ``reason`` says why it is not listening, and is empty while it is; ``since`` is when that began,
    in seconds of the wall clock. ``beats`` counts the members that had a beat in the shard at the
    newest sweep, ``rejected`` the records of all sweeps, ``spoiled`` those of the newest that
    matter.
    """

    name: str
    clock: ListeningClock
    since: float
    seats: ShardSlots = field(default_factory=ShardSlots)
    reason: str = "not swept yet"
    canary_seconds: float | None = None
    sweep_seconds: float | None = None
    beats: int = 0
    sweeps: int = 0
    unproven: int = 0
    rejected: Rejected = field(default_factory=Rejected)
    spoiled: Spoiled = field(default_factory=Spoiled)
    signatures: Signatures = field(default_factory=Signatures)
    _slept: float | None = None  # by the host, when it was last swept
    _slept_at_proof: float | None = None

    @property
    def listening(self) -> bool:
        """Say whether its sweeps prove which members are silent."""
        return self.clock.listening

    @property
    def listening_time(self) -> float:
        """Return the seconds for which it was listened to."""
        return self.clock.time

    @property
    def members(self) -> int:
        """Return how many members have a seat."""
        return self.seats.count

    def wake(self, clocks: Clocks) -> None:
        """Notice, before a sweep is taken in, if the host slept since the last one: a gap."""
        before, self._slept = self._slept, clocks.slept()
        if before is not None and ages.asleep(before, self._slept) > self.clock.period / 2:
            self.clock.resumed = False

    def staleness(self, clocks: Clocks) -> float | None:
        """Return the seconds since the newest proven sweep began, asleep or awake.

        It is None before the first.
        """
        age = self.clock.staleness(clocks.monotonic())
        if age is None or self._slept_at_proof is None:
            return age
        return age + ages.asleep(self._slept_at_proof, clocks.slept())

    def record_sweep(self, swept: SweepOutcome, step: Step, wall: float) -> bool:
        """Take in how a sweep went; say whether the shard began or ceased to listen."""
        self.sweeps += 1
        self.unproven += step is Step.STOOD_STILL
        self.canary_seconds = swept.canary_seconds
        self.sweep_seconds = swept.seconds
        if swept.sweep is not None:
            self.beats = swept.sweep.present
            self.rejected += swept.sweep.rejected
            self.signatures = swept.sweep.signatures or self.signatures
        self.spoiled = swept.spoiled or self.spoiled
        if step is Step.STOOD_STILL:
            return self._fell_silent(swept.reason or "the sweep took too long", wall)
        self._slept_at_proof = self._slept
        if self.clock.mostly_deaf:
            took = f"the canary took {swept.canary_seconds or 0.0:.2g} s"
            return self._fell_silent(f"{took}: longer than most members wait for a push", wall)
        return self._listens(wall)

    def _fell_silent(self, reason: str, wall: float) -> bool:
        changed = not self.reason or self.sweeps == 1
        self.reason = reason
        if changed:
            self.since = wall
            log.warning("shard silent", shard=self.name, reason=reason)
        return changed

    def _listens(self, wall: float) -> bool:
        if not self.reason:
            return False
        after = round(wall - self.since, 1)
        self.reason, self.since = "", wall
        log.info("shard listening", shard=self.name, after=after)
        return True
