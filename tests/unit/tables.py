"""An in-memory table with time in the test's hands."""

from musterd.stores.table.table import Table

UNIX_TIME = 1_700_000_000.0


class Clock:
    """A monotonic clock and a wall clock, which may be stepped by itself."""

    def __init__(self) -> None:
        self.now = 50.0
        self.step = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return UNIX_TIME + self.now + self.step


def table_of(clock: Clock, **limits: int) -> Table:
    return Table(monotonic=clock.monotonic, wall=clock.wall, **limits)


def value_of(table: Table, key: bytes) -> bytes | None:
    item = table.get([key])[0]
    return None if item is None else item.value
