"""The module reads from /proc what a run costs in CPU and memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks.processes import cpu_seconds, memory_bytes

Roles = Mapping[str, Sequence[int]]
"""Root process IDs by what they do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A `Sample` is CPU seconds so far, by role, of each process.

    ``busy`` and ``all`` are the machine's.
    """

    at: float
    cpu: Mapping[str, Sequence[float]]
    busy: float
    all: float


def sample(roles: Roles) -> Sample:
    """Return the CPU used up to now."""
    cpu = {role: [cpu_seconds(pid) for pid in pids] for role, pids in roles.items()}
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle = ticks[3] + ticks[4]  # idle and iowait, proc(5)
    return Sample(monotonic(), cpu, sum(ticks) - idle, sum(ticks))


def memory(roles: Roles) -> dict[str, int]:
    """Return the bytes of memory by role, now."""
    return {role: sum(map(memory_bytes, pids)) for role, pids in roles.items()}


@dataclass(frozen=True, slots=True)
class Spent:
    """A `Spent` is what was used between two samples.

    It has the cores by role, of each process, and the machine's share.
    """

    seconds: float
    cores: Mapping[str, Sequence[float]]
    machine: float

    def total(self, role: str) -> float:
        """Return the cores that all processes of a role used."""
        return sum(self.cores.get(role, ()))


def spent(before: Sample, after: Sample) -> Spent:
    """Return what was used from one sample to the other."""
    seconds = after.at - before.at
    cores = {
        role: [(end - begin) / seconds for begin, end in zip(early, late, strict=True)]
        for (role, early), late in zip(before.cpu.items(), after.cpu.values(), strict=True)
    }
    return Spent(seconds, cores, (after.busy - before.busy) / max(1, after.all - before.all))
