"""A trace's folder holds the files of all its runs, and is kept within a bound: the oldest go first."""

import fcntl
import gzip
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import gmtime, strftime

from musterd.errors import ConfigError

OPEN, CLOSED = ".jsonl", ".jsonl.gz"
"""How files end that are written to, and those that are whole."""

_PART = ".part"  # of a file that is being compressed


class TraceFolder:
    """A ``TraceFolder`` is at most ``most_bytes`` of files in the folder ``path``.

    Its methods wait for the disk, and raise OSError.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self._held = -1  # a descriptor, while nobody else may record here

    def open(self) -> None:
        """Make the folder, of mode 0700, or take the one that is there; compress what a crash left open.

        Raises ConfigError where another recorder is at work there.
        """
        if not self.path.is_dir():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700)
        self._hold()
        for file in self.path.glob(f"*{_PART}"):
            file.unlink()
        for file in self._ending(OPEN):
            self.compress(file)

    def close(self) -> None:
        """Let others record here."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def new_run(self, wall: float) -> str:
        """Return the name of a run that begins at ``wall``, in Unix seconds: no other here has it."""
        taken = {file.name.partition("-")[0] for file in self.files()}
        while (run := strftime("%Y%m%dT%H%M%SZ", gmtime(wall))) in taken:
            wall += 1
        return run

    def files(self) -> Sequence[Path]:
        """Return all files of traces, the oldest first."""
        return sorted([*self._ending(OPEN), *self._ending(CLOSED)], key=lambda file: file.name)

    def size(self) -> int:
        """Return how many bytes they have."""
        return sum(file.stat().st_size for file in self.files())

    def make_room(self, more: int, keep: Path | None = None) -> bool:
        """Remove the oldest files until ``more`` bytes fit; say whether they do. ``keep`` stays."""
        excess = self.size() + more - self.most_bytes
        for file in self.files():
            if excess <= 0:
                break
            if file != keep:
                excess -= file.stat().st_size
                file.unlink()
        return excess <= 0

    def create(self, name: str) -> int:
        """Create a file that only its owner may read; return a descriptor to write to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        return os.open(self.path / name, flags, 0o600)

    def compress(self, file: Path) -> None:
        """Put a compressed file in the place of ``file``, where there is room; one without content goes."""
        text = file.read_bytes()
        small = gzip.compress(text, compresslevel=6, mtime=0)
        if not self.make_room(len(small), keep=file):
            return
        if text:
            self._replace(file, small)
        file.unlink()

    def _replace(self, file: Path, small: bytes) -> None:
        part = file.with_name(file.name + _PART)
        try:
            part.touch(mode=0o600)
            part.write_bytes(small)
            part.rename(file.with_name(file.name.removesuffix(OPEN) + CLOSED))
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise

    def _ending(self, suffix: str) -> list[Path]:
        return list(self.path.glob(f"[0-9]*Z-[0-9]*{suffix}"))

    def _hold(self) -> None:
        if self._held >= 0:
            return
        held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise ConfigError(
                f"trace_dir {self.path}: another coordinator records there; give each a folder of its own"
            ) from None
        except OSError:  # a file system without locks
            pass
        self._held = held
