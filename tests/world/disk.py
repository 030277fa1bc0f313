"""The registry of a world is SQLite's own, in memory: a disk that keeps what was committed."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint

from musterd.errors import RegistryError
from musterd_coordinator.registry.sqlite import SqliteRegistry
from musterd_coordinator.registry.sqlite_file import prepare

T = TypeVar("T")


class Disk:
    """What is on the disk of one coordinator's host; it refuses until an instant."""

    def __init__(self) -> None:
        self.committed = b""
        self.refuses_until = 0.0


class DiskRegistry(SqliteRegistry):
    """The production registry over a disk. Once ``severed``, as by a crash, it writes nothing more."""

    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(Path(f"{name}.db"), "musterd", 10.0, name)
        self.severed = False
        self._disk = disk
        self._changes = 0

    async def _call(self, work: Callable[[], T], rows: int = 0) -> T:
        await checkpoint()
        if self.severed or anyio.current_time() < self._disk.refuses_until:
            raise RegistryError("registry: disk full")
        try:
            done = self._in_transaction(work, 1.0)
        except sqlite3.Error as error:
            raise RegistryError(f"registry: {error}") from None
        if self._database is not None and self._database.total_changes != self._changes:
            self._changes = self._database.total_changes
            self._disk.committed = self._database.serialize()
        return done

    async def aclose(self) -> None:
        """Close it, whether or not it was severed."""
        self._close()

    def _open(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        if self._disk.committed:
            self._database.deserialize(self._disk.committed)
        prepare(self._database)
