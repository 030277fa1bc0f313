"""Connections of Nova outlive the door's process where systemd keeps them (sd_notify(3), FDSTORE).

python-memcached takes a server whose connection ended for dead, by default for five minutes, and then
tells Nova that the whole fleet is down; python-binary-memcached tells it so once. So a connection is
given to systemd as soon as it is there, and a door that starts again goes on with it, whether the one
before it was stopped or died: what Nova asks meanwhile waits in the kernel.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any

from musterd.systemd import Systemd

KEPT = "nova-client-"
"""With this begin the names of kept connections."""


class KeptConnections:
    """`KeptConnections` has systemd keep connections, by name; ``names`` are kept already.

    What it would not take is tried again at each :meth:`retry`.
    """

    def __init__(self, systemd: Systemd, names: Iterable[str] = ()) -> None:
        self._systemd = systemd
        self._numbers = count(1)
        self._leaving = False
        self._refused: dict[str, Any] = {}
        self._kept = set(names)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, connection: Any) -> str:
        """Have a connection kept, a socket; return its name."""
        name = next(each for at in self._numbers if (each := f"{KEPT}{at}") not in self._kept)
        self._try(name, connection)
        return name

    def retry(self) -> None:
        """Offer again what was not taken."""
        refused, self._refused = self._refused, {}
        for name, connection in refused.items():
            self._try(name, connection)

    def release(self, name: str) -> None:
        """Let a connection end that is gone from here, unless this process itself is leaving."""
        self._refused.pop(name, None)
        if name in self._kept and not self._leaving:
            self._kept.discard(name)
            self._systemd.release(name)

    def leave(self) -> None:
        """Note that this process ends: what is kept now is for the next one."""
        self._leaving = True

    def _try(self, name: str, connection: Any) -> None:
        if self._systemd.keep(name, connection.fileno()):
            self._kept.add(name)
        elif self._systemd.is_there:
            self._refused[name] = connection
