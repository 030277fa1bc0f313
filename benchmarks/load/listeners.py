"""The module finds the process here that listens where a store URL leads, if any (/proc, Linux)."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_LISTEN = "0A"
_PORTS = {"postgresql": 5432, "postgres": 5432, "memcached": 11211, "embedded": 11311}


def listener(url: str) -> int | None:
    """Return its process ID, or None when it runs elsewhere.

    None, too, when it belongs to a user whose processes we may not look at. A URL of several hosts
    is not looked at.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # several hosts
        return None
    if host is None or port is None or not _is_here(host):
        return None
    links = {f"socket:[{inode}]" for inode in _listening(port)}
    processes = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    holders = (int(process.name) for process in processes if _holds(process, links))
    return min(holders, default=None)  # the parent is older than its children


def _is_here(host: str) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.bind((socket.gethostbyname(host), 0))
        return True
    return False


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _holds(process: Path, links: set[str]) -> bool:
    with suppress(OSError):
        return any(str(file.readlink()) in links for file in (process / "fd").iterdir())
    return False
