"""The module judges what a run has shown, from what was seen of it; it is pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load.watch import Change
from musterd.model import State

DEAD = (State.DOWN, State.LEFT)
BUSY = 0.9
"""A share of a core, or of the machine, above which it is what limits."""

LATE_BEATS = 0.001
"""A share of all beats: when more are late by our own fault, the figures are the generator's."""

SWEEPS_LATE = 0.05
"""A share of sweeps: when more are late or not proven, the coordinator does not keep up."""

ACHIEVED = 0.99
"""A share of the beats asked for: with less, a step of a ramp is broken."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The `Verdicts` say how the coordinator judged.

    ``false`` are members that beat and were called down or left, ``suspects`` those that were held
    as suspect. ``found`` are seconds from the stop of a member until it was down, ``missed`` those
    that were stopped and never were.
    """

    false: Sequence[str]
    suspects: Sequence[str]
    found: Sequence[float]
    missed: Sequence[str]


def judge(changes: Iterable[Change], stopped: Mapping[str, float]) -> Verdicts:
    """Compare verdicts with the truth: ``stopped`` says when (Unix time) members were stopped."""
    false, suspects, found = set(), set(), dict[str, float]()
    for change in changes:
        after = change.at.timestamp() - stopped.get(change.member, float("inf"))
        if after < 0 and change.state in DEAD:
            false.add(change.member)
        elif change.state in DEAD:
            found.setdefault(change.member, after)
        elif after < 0 and change.state is State.SUSPECT:
            suspects.add(change.member)
    missed = stopped.keys() - found.keys()
    return Verdicts(sorted(false), sorted(suspects), sorted(found.values()), sorted(missed))


@dataclass(frozen=True, slots=True)
class Strain:
    """A `Strain` is how busy everything was: shares of a core, but ``machine`` of all cores.

    ``late`` is the share of beats that the generator sent late. ``server`` is None where the server
    runs elsewhere; ``sweeps_late`` the share of sweeps that failed or outlasted their period.
    """

    late: float
    generator: float
    server: float | None
    server_threads: int
    coordinator: float
    sweeps_late: float
    machine: float


def limit(strain: Strain) -> str:
    """Return what would give way first, in a few words."""
    if strain.late > LATE_BEATS:
        short = "the machine has no CPU left" if strain.machine > BUSY else "give it more processes"
        return f"the GENERATOR: {strain.late:.1%} of its beats left late ({short})"
    if strain.server is not None and strain.server > BUSY * strain.server_threads:
        return f"the server: it uses {strain.server:.2f} cores"
    if strain.machine > BUSY:
        return f"this machine: {strain.machine:.0%} of its CPU is used"
    if strain.sweeps_late > SWEEPS_LATE:
        return f"the coordinator: {strain.sweeps_late:.0%} of its sweeps were late or not proven"
    if strain.generator > BUSY:
        return f"the GENERATOR: a process of it uses {strain.generator:.2f} cores"
    if strain.server is None:
        return "the server or the network, if anything: the generator had time left"
    return "nothing yet: server, coordinator and generator had time left"


@dataclass(frozen=True, slots=True)
class Step:
    """A `Step` is one step of a ramp.

    It has the beats a second ``asked`` and ``achieved``, and what would break it.
    """

    asked: float
    achieved: float
    p99: float
    missed: int
    sweeps_late: float
    limited_by: str

    def broken(self, p99: float) -> str:
        """Return which criterion it breaks, with ``p99`` (seconds) for the latency; empty: none."""
        if self.missed:
            return f"{self.missed} beats were not accepted within the push timeout"
        if self.p99 > p99:
            return f"p99 is {self.p99:.3f} s, above {p99:g} s"
        if self.sweeps_late > SWEEPS_LATE:
            return f"{self.sweeps_late:.0%} of the sweeps were late or not proven"
        if self.achieved < ACHIEVED * self.asked:
            return f"only {self.achieved / self.asked:.1%} of the beats were made"
        return ""
