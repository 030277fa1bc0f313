"""Stores under test: the real servers behind a URL, and hands to break them with."""

import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import count

from musterd.beat import member_id
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores import Store, open_store
from musterd.stores.memcached.access import login_command
from musterd.stores.slots.protocol import Keys, read_slots
from musterd.stores.table.store import forget_table, named_table
from musterd.testing.authority import Authority
from musterd.testing.processes import Server
from musterd.testing.secured import SecuredMemcached
from musterd.testing.servers import Memcached, memcached_url
from musterd.tls import Tls, client_tls_of

NAMESPACE = "fleet"
COORDINATOR = "c1"
BEAT_TTL = 600.0
PATIENT = 60.0  # seconds for a server that answers, however busy the machine
USER, PASSWORD = "fleet", "secret"
AGENTS = "musterd_agents"
"""The role, or account, by which the writers of a database's lab log in."""

_numbers = count()


class Lab(ABC):
    """A store with nobody in it. ``losses`` are the kinds of thing that :meth:`lose` can lose.

    Where it ``asks_anew``, whoever lost a connection must say again who it is.
    """

    url: str
    losses: Sequence[str]
    asks_anew = False
    servers: Sequence[Server] = ()
    tls: Tls | None = None

    def open(
        self,
        *,
        namespace: str = NAMESPACE,
        timeout: float = PATIENT,
        url: str | None = None,
        keyring: Keyring | None = None,
    ) -> Store:
        """Open the store, or another way to it."""
        return open_store(
            url or self.url,
            namespace=namespace,
            timeout=timeout,
            beat_ttl=BEAT_TTL,
            keyring=keyring,
            tls=self.tls,
        )

    @abstractmethod
    def lose(self, kind: str, member: Member) -> None:
        """Make the store lose something that it holds of ``member``, on all shards."""

    @abstractmethod
    def url_to(self, addresses: Sequence[str]) -> str:
        """The same store behind other addresses, one for each of ``servers``."""

    def pause(self) -> None:
        """Freeze the servers."""
        for server in self.servers:
            server.pause()

    def resume(self) -> None:
        """Let them run again."""
        for server in self.servers:
            server.resume()

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.stop()

    def start(self) -> None:
        """Start them where they were."""
        for server in self.servers:
            if not server.is_running:
                server.start()

    def close(self) -> None:
        """Leave the servers running for the next test."""
        self.resume()
        self.start()


class KeyedLab(Lab):
    """A store of the slot protocol."""

    losses = (
        *("counter", "holder", "index", "beat", "canary"),
        *("counter and holder", "holder and index", "index and beat", "everything"),
    )

    def lose(self, kind: str, member: Member) -> None:
        for shard, names in self._names_of(member):
            if kind == "everything":
                self.flush(shard)
            else:
                self.delete(shard, [names[part] for part in kind.split(" and ")])

    def spoil(self, kind: str, member: Member, nonsense: bytes) -> None:
        """Overwrite one of the keys of ``member``, on all its shards."""
        for shard, names in self._names_of(member):
            self.put(shard, names[kind], nonsense)

    def copy_beat(self, shard: int, source: int, target: int) -> None:
        """Let the beat of one slot stand in another too."""
        keys = Keys(NAMESPACE)
        self.put(shard, keys.beat(target), self.fetch(shard, keys.beat(source)) or b"")

    def _names_of(self, member: Member) -> Iterator[tuple[int, dict[str, bytes]]]:
        keys, identity = Keys(NAMESPACE), member_id(NAMESPACE, member.group, member.name)
        for shard, slot in zip(self.open().place(identity), self.slot_of(member), strict=True):
            yield (
                shard,
                {
                    "counter": keys.counter,
                    "free": keys.free,
                    "holder": keys.holder(slot),
                    "index": keys.index(identity),
                    "beat": keys.beat(slot),
                    "canary": keys.canary(COORDINATOR),
                },
            )

    def slot_of(self, member: Member) -> list[int]:
        """Where the store says that ``member`` sits, on each of its shards."""
        keys, identity = Keys(NAMESPACE), member_id(NAMESPACE, member.group, member.name)
        shards = self.open().place(identity)
        return [read_slots(self.fetch(shard, keys.index(identity)))[0] for shard in shards]

    @abstractmethod
    def fetch(self, shard: int, key: bytes) -> bytes | None:
        """The value of a key."""

    @abstractmethod
    def put(self, shard: int, key: bytes, value: bytes) -> None:
        """Write a key."""

    @abstractmethod
    def delete(self, shard: int, keys: Sequence[bytes]) -> None:
        """Delete keys."""

    @abstractmethod
    def flush(self, shard: int) -> None:
        """Delete everything."""


class MemoryLab(KeyedLab):
    """The in-process store."""

    def __init__(self) -> None:
        self._name = f"lab-{next(_numbers)}"
        self.url = f"memory:{self._name}"
        self._table = named_table(self._name)

    def url_to(self, addresses: Sequence[str]) -> str:
        return self.url

    def fetch(self, shard: int, key: bytes) -> bytes | None:
        item = self._table.get((key,))[0]
        return None if item is None else item.value

    def put(self, shard: int, key: bytes, value: bytes) -> None:
        self._table.set(key, value)

    def delete(self, shard: int, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._table.delete(key)

    def flush(self, shard: int) -> None:
        self._table.flush_all()

    def close(self) -> None:
        forget_table(self._name)


class MemcachedLab(KeyedLab):
    """One or more memcached servers."""

    scheme = "memcached"

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers
        self.url = self.url_to([server.address for server in servers])

    def url_to(self, addresses: Sequence[str]) -> str:
        return f"{self.scheme}://{','.join(addresses)}"

    def fetch(self, shard: int, key: bytes) -> bytes | None:
        reply = self._ask(shard, b"get %b\r\n" % key, b"END\r\n")
        head, _, rest = reply.partition(b"\r\n")
        return rest[: int(head.split(b" ")[3])] if head != b"END" else None

    def put(self, shard: int, key: bytes, value: bytes) -> None:
        self._ask(shard, b"set %b 0 0 %d\r\n%b\r\n" % (key, len(value), value), b"STORED\r\n")

    def delete(self, shard: int, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._ask(shard, b"delete %b\r\n" % key, b"D\r\n")

    def flush(self, shard: int) -> None:
        self._ask(shard, b"flush_all\r\n", b"OK\r\n")

    def _ask(self, shard: int, command: bytes, end: bytes) -> bytes:
        server, reply = self.servers[shard], b""
        with closing(self._connected(server)) as connection:
            connection.sendall(command)
            while not reply.endswith((end, b"DELETED\r\n", b"NOT_FOUND\r\n")):
                reply += connection.recv(65536)
        return reply

    def _connected(self, server: Server) -> socket.socket:
        return socket.create_connection((server.host, server.port), PATIENT)


class SecuredLab(MemcachedLab):
    """A memcached by TLS, where everybody logs in."""

    scheme = "memcached+tls"

    def __init__(self, server: SecuredMemcached, authority: Authority) -> None:
        super().__init__([server])
        self.tls = client_tls_of(authority.file)

    def url_to(self, addresses: Sequence[str]) -> str:
        return f"{self.scheme}://{USER}:{PASSWORD}@{','.join(addresses)}"

    def _connected(self, server: Server) -> socket.socket:
        assert self.tls is not None
        plain = super()._connected(server)
        connection = self.tls.context().wrap_socket(plain, server_hostname=server.host)
        connection.sendall(login_command(f"{USER}:{PASSWORD}"))
        assert connection.recv(100) == b"STORED\r\n"
        return connection


class EmbeddedServer(Server):
    """The embedded store in a process of its own, so that it can be frozen and killed."""

    users = ("root",)

    def _command(self) -> list[str]:
        script = (
            "import anyio\n"
            "from musterd.stores.table.table import Table\n"
            "from musterd_coordinator.memcache.server import serve\n"
            "async def main():\n"
            f"    async with serve({self.host!r}, {self.port}, Table()):\n"
            "        await anyio.sleep_forever()\n"
            "anyio.run(main)\n"
        )
        return [sys.executable, "-c", script]

    def _is_ready(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), 1.0).close()
        except OSError:
            return False
        return True


class EmbeddedLab(MemcachedLab):
    """The embedded store."""

    scheme = "embedded"

    def close(self) -> None:
        super().close()
        self.flush(0)


@contextmanager
def memcached_lab(number: int) -> Iterator[MemcachedLab]:
    """``number`` memcached servers of the test's own."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Memcached("-m", "32", "-t", "1")) for _ in range(number)]
        lab = MemcachedLab(servers)
        assert lab.url == memcached_url(*servers)
        yield lab


@contextmanager
def secured_lab(authority: Authority) -> Iterator[SecuredLab]:
    """A memcached of the test's own that is locked."""
    made, users = authority.issue("memcached"), {USER: PASSWORD}
    with SecuredMemcached("-m", "32", "-t", "1", certificate=made, passwords=users) as server:
        yield SecuredLab(server, authority)
