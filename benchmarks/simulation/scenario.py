"""The module says in numbers what one run simulates."""

from dataclasses import dataclass

from benchmarks.simulation.distributions import Distribution, parse

HOUR = 3600.0

_DELAY, _STALL, _PAUSE = parse("exponential:0.05"), parse("exponential:60"), parse("constant:30")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A `Scenario` has durations in seconds, rates per hour; ``crashes`` per member and hour.

    A push takes a time drawn from ``delay`` and is lost with probability ``loss``, or when it takes
    longer than ``push_timeout``. ``return_after`` None: the dead stay dead.
    """

    members: int = 10_000
    interval: float = 10.0
    down_time: float = 60.0
    sweep_period: float = 1.0
    duration: float = 600.0
    push_timeout: float = 5.0
    delay: Distribution = _DELAY
    loss: float = 0.01
    stalls: float = 0.0
    stall_time: Distribution = _STALL
    restarts: float = 0.0
    pauses: float = 0.0
    pause_time: Distribution = _PAUSE
    crashes: float = 0.0
    return_after: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError, naming the option, for values that make no sense."""
        for name in ("members", "interval", "sweep_period", "duration", "push_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0")
        for name in ("stalls", "restarts", "pauses", "crashes"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")
        if not 0 <= self.loss < 1:
            raise ValueError("loss must be at least 0 and less than 1")
        if not self.push_timeout < self.interval:
            raise ValueError("push_timeout must be less than interval")
        if not self.down_time >= 2.5 * self.interval:
            raise ValueError("down_time must be at least 2.5 x interval")
        if not self.duration > 2 * self.warm_up:
            raise ValueError(f"duration must be more than {2 * self.warm_up:g}, twice the warm-up")
        if self.return_after is not None and not self.return_after > self.push_timeout:
            raise ValueError("return_after must be more than push_timeout")

    @property
    def warm_up(self) -> float:
        """Return the time after which the detector is stationary, and mistakes are counted.

        Its state depends on the beats that arrived within down_time, which were sent at most a
        push_timeout earlier.
        """
        return self.down_time + self.push_timeout + 2 * self.sweep_period

    @property
    def ticks(self) -> int:
        """Return how many sweep periods the run has."""
        return round(self.duration / self.sweep_period)
