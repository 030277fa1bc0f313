"""The module has faults that hit all members at once, and what they do to sweeps and to pushes."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.simulation.distributions import Distribution
from benchmarks.simulation.scenario import HOUR, Scenario
from musterd_coordinator.judge.members import Mask, Seconds

Spans = NDArray[np.float64]  # shape (n, 2): begin and end of each, in seconds


@dataclass(frozen=True, slots=True)
class Faults:
    """The `Faults` are when the store stalls and restarts, and when the coordinator is paused."""

    stalls: Spans
    restarts: Seconds
    pauses: Spans

    @classmethod
    def draw(cls, scenario: Scenario, rng: Generator) -> "Faults":
        """Draw faults; each kind is a Poisson process of its own."""
        return cls(
            _spans(scenario, scenario.stalls, scenario.stall_time, rng),
            _instants(scenario, scenario.restarts, rng),
            _spans(scenario, scenario.pauses, scenario.pause_time, rng),
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A `Schedule` is what the faults leave of the sweeps at ``tick * period``.

    Masks are of shape (ticks + 1,). ``swept``: the coordinator was awake; ``answered``: the store
    answered; ``proven``: the canary came back, and that of the sweep before was still there. A push
    is lost to a fault when it is under way, or its record still unread, within a span of
    ``losses``.
    """

    swept: Mask
    answered: Mask
    proven: Mask
    losses: Spans

    def loses(self, sent: Seconds, arrival: Seconds) -> Mask:
        """Return which pushes, sent and arriving at these times, a fault swallows."""
        lost = np.zeros(len(sent), np.bool_)
        if not len(sent):
            return lost
        first, last = sent.min(), arrival.max()
        for begin, end in self.losses.tolist():
            if begin < last and end >= first:
                lost |= (arrival > begin) & (sent <= end)
        return lost


def schedule(faults: Faults, ticks: int, period: float) -> Schedule:
    """Return the sweeps at 0, period, ... ticks * period under ``faults``."""
    at = np.arange(ticks + 1, dtype=np.float64) * period
    swept = ~_within(at, faults.pauses)
    answered = swept & ~_within(at, faults.stalls)
    proven = answered.copy()
    reads = np.flatnonzero(answered)
    wiped = np.empty((len(faults.restarts), 2))
    for number, instant in enumerate(faults.restarts.tolist()):
        following = int(np.searchsorted(at[reads], instant))
        if following < len(reads):  # the canary is gone
            proven[reads[following]] = False
        wiped[number] = at[reads[following - 1]] if following else 0.0, instant
    return Schedule(swept, answered, proven, np.concatenate([faults.stalls, wiped]))


def _instants(scenario: Scenario, per_hour: float, rng: Generator) -> Seconds:
    count = rng.poisson(per_hour * scenario.duration / HOUR)
    return np.sort(rng.uniform(0.0, scenario.duration, count))


def _spans(scenario: Scenario, per_hour: float, time: Distribution, rng: Generator) -> Spans:
    begins = _instants(scenario, per_hour, rng)
    return np.stack([begins, begins + time.draw(rng, len(begins))], axis=1)


def _within(at: Seconds, spans: Spans) -> Mask:
    inside = np.zeros(len(at), np.bool_)
    for begin, end in spans.tolist():
        inside |= (at >= begin) & (at < end)
    return inside
