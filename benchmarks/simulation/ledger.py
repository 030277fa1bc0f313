"""The module counts a failure detector's quality of service, as Chen, Toueg and Aguilera define it.

W. Chen, S. Toueg, M. K. Aguilera, "On the Quality of Service of Failure Detectors", IEEE
Transactions on Computers 51(5), 2002, section 2. A *mistake* begins when a member that lives is
called down, and ends when it is called up again, or crashes.

* T_D, detection time: from a crash until the member is called down for good; 0 when it was down
  already.
* lambda_M, mistake rate; T_MR = 1 / lambda_M, mistake recurrence time: between the beginnings of
  two mistakes.
* T_M, mistake duration; P_A, query accuracy probability: how likely the answer about a living
  member is right at a random time.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.fleet import Fleet
from benchmarks.simulation.scenario import Scenario
from benchmarks.simulation.statistics import Estimate, rate, ratio
from musterd_coordinator.judge.members import Code, Rows, Seconds
from musterd_coordinator.judge.transitions import StateChanges


class Blame(IntEnum):
    """A `Blame` says what swallowed the beats that were missing when a mistake began."""

    LOSS = 0  # independent loss and nothing else
    BOTH = 1
    FAULT = 2  # a fault and nothing else


NOBODYS = 3  # no mistake is under way


@dataclass(frozen=True, slots=True)
class Detections:
    """The `Detections` are crashes with an end that was seen.

    They have when each was, and when it was found, in seconds of the run.
    """

    crashed: Seconds
    found: Seconds

    @property
    def times(self) -> Seconds:
        """Return T_D of each."""
        return np.maximum(0.0, self.found - self.crashed)


class Ledger:
    """A `Ledger` says which members are called down, and whether that is so.

    Nothing before the warm-up counts.
    """

    def __init__(self, scenario: Scenario, fleet: Fleet) -> None:
        self.mistakes = np.zeros((len(Blame), scenario.members), np.uint16)
        self.mistaken = np.zeros((len(Blame), scenario.members), np.float32)  # seconds
        self.exposure = np.zeros(scenario.members, np.float32)  # seconds alive and known
        self.unnoticed = 0  # members that were back before they were found
        self._fleet = fleet
        self._start = scenario.warm_up
        self._watched = np.zeros(scenario.members)  # since when; NaN: dead, or not seen yet
        self._blame = np.full(scenario.members, NOBODYS, np.uint8)
        self._since = np.zeros(scenario.members, np.float32)
        self._found = np.full(scenario.members, np.nan)
        self._detected: list[Detections] = []

    @property
    def size(self) -> int:
        """Return how many members there are."""
        return len(self.exposure)

    def start(self, now: float) -> None:
        """Begin to count."""
        self.mistakes[:] = 0
        self.mistaken[:] = 0.0
        self.exposure[:] = 0.0
        self._since[self._blame != NOBODYS] = now
        self._watched[~np.isnan(self._watched)] = now

    def crashed(self, rows: Rows, state: NDArray[np.uint8]) -> None:
        """Note that ``rows`` died when the fleet says; the detector calls them ``state``."""
        known = ~np.isnan(self._watched[rows])
        rows, state = rows[known], state[known]
        at = self._fleet.crashed_at[rows]
        self._found[rows] = np.where(state == Code.DOWN, at, np.nan)
        self._end_mistakes(rows, at)
        self.exposure[rows] += at - self._watched[rows]
        self._watched[rows] = np.nan

    def returned(self, rows: Rows, crashed: Seconds, state: NDArray[np.uint8]) -> None:
        """Note that ``rows``, dead since ``crashed``, beat again; ``state`` as :meth:`crashed`."""
        found = self._found[rows]
        noticed = ~np.isnan(found)
        self.unnoticed += int(np.count_nonzero(state != Code.DOWN))
        self._note(crashed[noticed], found[noticed])
        self._found[rows] = np.nan

    def seen(self, rows: Rows, now: float) -> None:
        """Note that the coordinator saw the first beat of members that came back."""
        self._watched[rows] = now

    def take(self, changes: StateChanges, now: float) -> None:
        """Take in what the detector changed."""
        fell = changes.rows[(changes.new == Code.DOWN) & (changes.old != Code.DOWN)]
        rose = changes.rows[(changes.new != Code.DOWN) & (changes.old == Code.DOWN)]
        alive = ~np.isnan(self._watched[fell])
        self._begin_mistakes(fell[alive], now)
        self._found[fell[~alive]] = now
        self._end_mistakes(rose, now)
        self._found[rose] = np.nan  # of the dead: by a beat that was under way

    def finish(self, now: float) -> None:
        """End the run: whatever is under way is counted as far as it went."""
        self._end_mistakes(np.flatnonzero(self._blame != NOBODYS), now)
        watched = np.flatnonzero(~np.isnan(self._watched))
        self.exposure[watched] += now - self._watched[watched]
        found = np.flatnonzero(~np.isnan(self._found))
        self._note(self._fleet.crashed_at[found], self._found[found])

    def detections(self) -> Detections:
        """Return all crashes that were found."""
        return Detections(
            np.concatenate([np.empty(0), *(each.crashed for each in self._detected)]),
            np.concatenate([np.empty(0), *(each.found for each in self._detected)]),
        )

    def count(self, blame: Blame) -> int:
        """Return how many mistakes began."""
        return int(self.mistakes[blame].sum())

    def rate(self, blame: Blame) -> Estimate:
        """Return lambda_M of one member, per second."""
        return rate(self.mistakes[blame], self.exposure)

    def duration(self, blame: Blame) -> Estimate:
        """Return T_M in seconds.

        It is the time spent in mistakes by the number that began, which a run's two ends do not
        bias: as many are cut off at the one as at the other.
        """
        return ratio(self.mistaken[blame], self.mistakes[blame])

    def accuracy(self) -> Estimate:
        """Return P_A, whatever the blame."""
        return ratio(self.mistaken.sum(axis=0), self.exposure).complement()

    def _begin_mistakes(self, rows: Rows, now: float) -> None:
        lost, faulted = self._fleet.lost[rows] > 0, self._fleet.faulted[rows] > 0
        blame = np.where(faulted, np.where(lost, Blame.BOTH, Blame.FAULT), Blame.LOSS)
        self._blame[rows] = blame
        self._since[rows] = now
        self.mistakes[blame, rows] += 1

    def _end_mistakes(self, rows: Rows, now: float | Seconds) -> None:
        until = np.broadcast_to(now, len(rows))
        mistaken = self._blame[rows] != NOBODYS
        rows, until = rows[mistaken], until[mistaken]
        self.mistaken[self._blame[rows], rows] += until - self._since[rows]
        self._blame[rows] = NOBODYS

    def _note(self, crashed: Seconds, found: Seconds) -> None:
        counted = crashed >= self._start
        self._detected.append(Detections(crashed[counted], found[counted]))
