"""Disks that are full, for one server alone."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from musterd.testing import keeper
from musterd.testing.processes import Server


@contextmanager
def full_disk(server: Server, largest: int) -> Iterator[None]:
    """No file of the server grows beyond ``largest`` bytes, nor can be written to there.

    A limit of the kernel's on the processes, because not everybody may mount a small file system.
    Servers then say "File too large" where a disk would make them say "No space left on device",
    and do the same.
    """
    _limit_files(server, str(largest))
    try:
        yield
    finally:
        if server.is_running:
            _limit_files(server, "unlimited")


def _limit_files(server: Server, largest: str) -> None:
    """Set the soft limit of all processes; as their own user, whom the kernel always lets."""
    owner = server.directory.stat()
    for pid in keeper.tree(server.pid):  # parents first: a child that comes later inherits it
        command = ["prlimit", f"--pid={pid}", f"--fsize={largest}:"]
        done = subprocess.run(
            command, check=False, capture_output=True, user=owner.st_uid, group=owner.st_gid
        )
        assert done.returncode == 0 or not keeper.is_running(pid), done.stderr
