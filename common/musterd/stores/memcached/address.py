"""The module spells the address of a memcached as all agents and coordinators do."""

import ipaddress
import re
from typing import NamedTuple

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


class ServerAddress(NamedTuple):
    """A ``ServerAddress`` is where one memcached listens."""

    host: str
    port: int

    @classmethod
    def from_host_port(cls, host: str, port: int) -> "ServerAddress":
        """Return the server, by the one spelling of its address that all agents agree on.

        Raises ValueError for what is neither a host name nor an IP address, and for port 0.
        """
        if not port:
            raise ValueError(port)
        if ":" in host:
            return cls(str(ipaddress.IPv6Address(host)), port)
        if not _HOST.fullmatch(host):
            raise ValueError(host)
        return cls(host.lower().removesuffix("."), port)

    @property
    def name(self) -> str:
        """Return the name of the shard: ``host:port`` or ``[IPv6]:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
