"""The module runs a real relay in front of a PostgreSQL, as users run it."""

from collections.abc import Iterator
from contextlib import contextmanager

from musterd.testing.daemons import Relay


@contextmanager
def relay(store: str) -> Iterator[tuple[str, int]]:
    """Run a relay that writes to the database of the URL; yield its store URL and process ID."""
    with Relay(store, log_level="error") as running:
        yield f"relay://{running.address}", running.pid
