"""A door that is started by systemd, which listens for it and keeps its connections."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musterd.testing.daemons import Setting, toml
from musterd.testing.manager import ServiceManager
from musterd.testing.processes import HOST


@contextmanager
def managed(coordinators: str, directory: Path) -> Iterator[ServiceManager]:
    """Start one that follows ``coordinators``, with its files in ``directory``."""
    file = directory / "musterd.toml"
    view = str(directory / "view")
    settings: dict[str, Setting] = {
        "coordinator": coordinators,
        "nova_view": view,
        "service_down_time": 4.0,
    }
    file.write_text(toml(settings))
    command = [sys.executable, "-m", "musterd", "nova", "--config", str(file)]
    with (
        socket.create_server((HOST, 0)) as listening,
        ServiceManager(command, {"musterd-nova.socket": listening}) as manager,
    ):
        yield manager.start()


def address_of(manager: ServiceManager) -> tuple[str, int]:
    host, port = manager.listening["musterd-nova.socket"].getsockname()
    return host, port
