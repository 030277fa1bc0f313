"""The module reads from /proc what processes cost."""

import os
from contextlib import suppress
from pathlib import Path

from musterd.testing import keeper

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds so far of a process, its descendants, and its children that ended."""
    while True:
        ended = _ended(root)
        running = sum(map(_running, keeper.tree(root)))
        if _ended(root) == ended:  # else one that ended meanwhile may be in both
            return running + ended


def waited_seconds(pid: int) -> float:
    """Return the seconds so far in which the main thread of a process could run and had no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def memory_bytes(root: int) -> int:
    """Return the bytes of a process and its descendants now; what they share counts once (PSS)."""
    return 1024 * sum(_rollup(pid).get("Pss", 0) for pid in keeper.tree(root))


def resident_bytes(pid: int) -> int:
    """Return the bytes of resident memory of one process now."""
    return 1024 * _rollup(pid)["Rss"]


def _running(pid: int) -> float:
    """Return the CPU seconds of all its threads, to the nanosecond; 0 when the process is gone."""
    nanoseconds = 0
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _ended(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = after_name[13:15]  # cutime and cstime, proc(5)
    return (int(user) + int(system)) * _TICK


def _rollup(pid: int) -> dict[str, int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        return {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {}
