"""The demo's processes: a store, a crowd of members, and three hosts of their own."""

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

GROUP = "compute"
HOSTS = 3
CROWD = 500  # members in one process, at most
INTERVAL = 1.0
SERVICE_DOWN_TIME = 4.0


class Process:
    """A child that ends with us, however we end."""

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "musterd_coordinator.demo.child", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt is for the demo, which then ends its children
        )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Cast:
    """All processes of the story, in a directory of their own."""

    def __init__(self, members: int, directory: Path) -> None:
        self._held = _held_port()
        port = self._held.getsockname()[1]
        self.store_url = f"memcached://127.0.0.1:{port}"
        self.names = [f"host-{number:04d}" for number in range(1, members + 1)]
        self.hosts = self.names[-HOSTS:]
        self.store = Process("musterd_coordinator.demo.store", str(port))
        self._directory = directory
        crowd = self.names[:-HOSTS]
        self._crowds = [
            self._agent(f"crowd-{first}", crowd[first : first + CROWD])
            for first in range(0, len(crowd), CROWD)
        ]
        self._hosts = [self._agent(name, [name]) for name in self.hosts]

    def start(self) -> None:
        """Start everyone."""
        for process in (self.store, *self._crowds, *self._hosts):
            process.start()

    def kill_hosts(self) -> None:
        """Pull the plug of the three hosts."""
        for process in self._hosts:
            process.kill()

    def start_hosts(self) -> None:
        """Bring the three hosts back."""
        for process in self._hosts:
            process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in (*self._hosts, *self._crowds, self.store):
            with suppress(OSError):
                process.kill()
        self._held.close()

    def _agent(self, name: str, members: list[str]) -> Process:
        file = self._directory / f"{name}.toml"
        lines = [
            f'store = "{self.store_url}"',
            f"service_down_time = {SERVICE_DOWN_TIME}",
            f"interval = {INTERVAL}",
            f'group = "{GROUP}"',
            'zone = "demo"',
            *(f'[[member]]\nmember = "{member}"' for member in members),
        ]
        file.write_text("\n".join(lines))
        return Process("musterd", "agent", "--config", str(file))


def _held_port() -> socket.socket:
    """A socket whose port nobody else gets while the store is dead, an agent's own end included.

    It is bound and never listens; the store sets SO_REUSEADDR and so can still take the port.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
