"""The module opens memcached and the embedded store by URL; the connection is in ``connection``."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from musterd.errors import ConfigError
from musterd.keys import Keyring
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd.stores.memcached.access import ServerAccess, login_command
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.pool import ConnectionPool
from musterd.stores.slots.writer import SlotWriter
from musterd.tls import Tls, client_tls_of
from musterd.urls import host_and_port, without_secret

MEMCACHED_PORT = 11211
EMBEDDED_PORT = 11311
DEFAULT_REPLICAS = 2


def open_url(
    url: str,
    *,
    namespace: str,
    timeout: float,
    beat_ttl: float,
    keyring: Keyring | None = None,
    tls: Tls | None = None,
) -> Store:
    """Return the store of a URL of memcached or of the embedded store.

    Such are ``memcached://h1:11211,[::1]:11212?replicas=2`` and ``embedded://127.0.0.1:11311``.
    ``replicas`` is 2, or 1 where there is only one server, unless the URL says otherwise. All
    servers are reached by ``tls`` if that is given, and with the URL's user and password.
    """
    parts = UrlParts(url)
    embedded = parts.scheme.startswith("embedded")
    servers = parts.servers(EMBEDDED_PORT if embedded else MEMCACHED_PORT)
    replicas = parts.replicas(len(servers))
    if embedded and len(servers) > 1:
        raise parts.error("names several servers; the embedded store is one")
    guarantees = Guarantees.SHARED
    if embedded:
        guarantees |= Guarantees.NEVER_EVICTS
    names = tuple(server.name for server in servers)
    access = parts.access(tls, logs_in=not embedded)
    driver = MemcachedDriver(servers, namespace, timeout, beat_ttl, keyring, access)
    shown = f"{parts.scheme}://{','.join(names)}" + (f"?replicas={replicas}" if names[1:] else "")
    return Store(shown, names, replicas, guarantees, driver)


@dataclass(frozen=True, slots=True)
class MemcachedDriver:
    """A ``MemcachedDriver`` has a list of servers, and how they are used."""

    servers: Sequence[ServerAddress]
    namespace: str
    timeout: float
    beat_ttl: float
    keyring: Keyring | None
    access: ServerAccess

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to one server."""
        lanes = ConnectionPool(self.servers[shard], self.access)
        return SlotWriter(lanes, self.namespace, self.timeout, self.beat_ttl, self.keyring)


class UrlParts:
    """`UrlParts` are the parts of a store URL; errors name the part and never show a password."""

    def __init__(self, url: str) -> None:
        self._shown = without_secret(url)
        self.scheme, separator, rest = url.partition("://")
        if not separator:
            raise self.error(f"needs // after {self.scheme.partition(':')[0]}:")
        # Up to the last "@": what is a password must not be taken for something that errors show.
        self._userinfo, self._has_user, rest = rest.rpartition("@")
        rest, _, self.query = rest.partition("?")
        self._hosts = rest.removesuffix("/")
        if "/" in self._hosts or "#" in url:
            raise self.error("has more than servers and ?replicas=")

    def servers(self, default_port: int) -> list[ServerAddress]:
        """Return the servers, in the order of the URL."""
        hosts = self._hosts.split(",")
        servers = [self._server(address.strip(), default_port) for address in hosts]
        for at, server in enumerate(servers):
            if server in servers[:at]:
                raise self.error(f"names {server.name} twice")
        return servers

    def replicas(self, servers: int) -> int:
        """Return how many servers each member beats to."""
        options = dict(parse_qsl(self.query, keep_blank_values=True))
        text = options.pop("replicas", str(min(DEFAULT_REPLICAS, servers)))
        for name in options:
            raise self.error(f"has an option {name!r}; the only one is replicas")
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= servers:
            raise self.error(f"has replicas={text}; it must be 1 to {servers}, its servers")
        return int(text)

    def access(self, tls: Tls | None, *, logs_in: bool) -> ServerAccess:
        """Return how its servers are entered; only where ``logs_in`` with user and password.

        Raises ConfigError for files of ``tls`` that cannot be used.
        """
        if self.scheme.endswith("+tls"):
            tls = tls or client_tls_of()
            tls.context()
        if not self._has_user:
            return ServerAccess(tls)
        if not logs_in:
            raise self.error("has a user name; only memcached:// and memcached+tls:// take one")
        try:
            return ServerAccess(tls, login_command(self._userinfo))
        except ValueError:
            raise self.error(
                "has no user:password@ that memcached could take: both, and neither with spaces"
            ) from None

    def error(self, text: str) -> ConfigError:
        """Return a ConfigError about this URL."""
        return ConfigError(f"store URL {self._shown!r} {text}")

    def _server(self, address: str, default_port: int) -> ServerAddress:
        try:
            host, port = host_and_port(address, default_port=default_port)
            if address.startswith("[") and ":" not in host:
                raise ValueError(host)
            return ServerAddress.from_host_port(host, port)
        except ValueError:
            raise self.error(
                f"has {address!r} for a server; it must be host, host:port or [IPv6]:port"
            ) from None
