"""A real relay in front of a PostgreSQL, as users run it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from musterd.testing.agent_process import COMMAND
from musterd.testing.servers import HOST, held_port

START_TIMEOUT = 10.0


@contextmanager
def relay(store: str) -> Iterator[tuple[str, int]]:
    """A relay that writes to the database of the URL: its own store URL, and its process ID."""
    with held_port() as port:
        address = f"{HOST}:{port}"
        command = [*COMMAND, "relay", "--relay-listen", address]
        environ = {"MUSTERD_STORE": store, "MUSTERD_LOG_LEVEL": "error"}
        with subprocess.Popen(command, env=environ) as process:
            try:
                _wait_for_port(port)
                yield f"relay://{address}", process.pid
            finally:
                process.terminate()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(ConnectionRefusedError):
            return socket.create_connection((HOST, port), 1.0).close()
        time.sleep(0.05)
    raise RuntimeError(f"the relay does not listen on {HOST}:{port}")
