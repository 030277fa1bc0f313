"""The module ends what a test run started, however that ends: the last resort behind `close`.

It runs as a process of its own and takes orders on its standard input: `watch PID`, `forget PID`,
`remove DIRECTORY`. When the input ends the test run is gone, be it by SIGKILL, and whatever is
still watched goes too. (PR_SET_PDEATHSIG would not do: it follows the thread that forked, and tests
start servers from worker threads.)
"""

import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PATIENCE = 30.0  # seconds, for a kernel that is slow to obey, and busy


def tree(root: int) -> list[int]:
    """Return `root` and all its descendants, parents first."""
    parents = dict(_parents())
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def is_running(pid: int) -> bool:
    """Say whether `pid` exists and is not a zombie that waits for its parent."""
    return any(state not in "ZX" for _, state in _stat(pid))


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def freeze(pid: int) -> None:
    """Send SIGSTOP and wait until it holds, which on another core takes a moment."""
    send(pid, signal.SIGSTOP)
    _wait(lambda: all(state in "TtZX" for _, state in _stat(pid)))


def kill_tree(root: int) -> None:
    """Kill `root` and all its descendants at once, and wait until they are gone."""
    freeze(root)  # so that it can't start another child while we look
    pids = tree(root)
    for pid in pids:
        send(pid, signal.SIGKILL)
    _wait(lambda: not any(map(is_running, pids)))


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            for parent, _ in _stat(int(entry.name)):
                yield int(entry.name), parent


def _stat(pid: int) -> Iterator[tuple[int, str]]:
    with suppress(FileNotFoundError, ProcessLookupError):
        # The name in parentheses may hold anything; state and parent follow the last one.
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        yield int(parent), state


def _keep() -> None:  # pragma: no cover  # as a process of its own
    pids: set[int] = set()
    directories: list[str] = []
    for line in sys.stdin:
        order, _, what = line.rstrip("\n").partition(" ")
        if order == "watch":
            pids.add(int(what))
        elif order == "forget":
            pids.discard(int(what))
        else:
            directories.append(what)
    for pid in pids:
        kill_tree(pid)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _keep()
