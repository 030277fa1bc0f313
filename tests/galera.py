"""A Galera cluster: real nodes on this machine, which can be cut off from each other."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from musterd.testing.busy import Patience
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import HOST, HeldPort, ServerError

_LIBRARIES = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
_NEW = "gcomm://"
_PATIENCE = 30.0  # seconds for a node to join; and for a cluster to see that one is gone


def library() -> Path:
    """Find Galera, or say which system package brings it."""
    for path in map(Path, _LIBRARIES):
        if path.exists():
            return path
    raise ServerError("Galera is not installed: run 'make setup' (or apt-get install galera-4)")


class Galera:
    """A cluster of ``size`` nodes, each of which ``make`` makes with its settings and these.

    The first begins it. Each of the others takes a copy of its files when it joins.
    """

    def __init__(
        self, make: Callable[..., MariaDb], settings: Mapping[str, object], size: int = 3
    ) -> None:
        self._ports = [(HeldPort(), HeldPort(), HeldPort()) for _ in range(size)]
        self.nodes = [make(**{**settings, **self._settings(at)}) for at in range(size)]

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End all nodes, at once: nobody needs what they have."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.close()
        for ports in self._ports:
            for port in ports:
                port.release()

    @property
    def addresses(self) -> str:
        """Return the addresses of all nodes, as they stand in a URL."""
        return self.addresses_from(0)

    def addresses_from(self, first: int) -> str:
        """Return the addresses of all nodes, beginning with the one that has this number."""
        nodes = self.nodes[first:] + self.nodes[:first]
        return ",".join(node.address for node in nodes)

    def wait_for_size(self, node: MariaDb, size: int) -> None:
        """Wait until a node sees so many nodes in its part of the cluster, and is ready, or not.

        It is ready if they are more than half of all.
        """
        ready = "ON" if 2 * size > len(self.nodes) else "OFF"
        self.wait_for(node, wsrep_cluster_size=str(size), wsrep_ready=ready)

    def wait_for(self, node: MariaDb, **status: str) -> None:
        """Wait until the status of a node has these values."""
        patience = Patience(_PATIENCE)
        while (found := status_of(node, *status)) != status:
            if patience.is_over:
                raise ServerError(
                    f"{node.address} has {found} and not {status}:\n{node.log[-2000:]}"
                )
            time.sleep(0.05)

    @contextmanager
    def cut_off(self, node: MariaDb) -> Iterator[None]:
        """Cut ``node`` off from all others, for as long as this lasts; clients still reach it."""
        set_provider(node, "gmcast.isolate=1")
        try:
            yield
        finally:
            set_provider(node, "gmcast.isolate=0")

    def _begin(self) -> None:
        first = self.nodes[0]
        address, first.settings["wsrep-cluster-address"] = (
            first.settings["wsrep-cluster-address"],
            _NEW,
        )
        for size, node in enumerate(self.nodes, 1):
            node.start()
            self.wait_for(node, wsrep_cluster_size=str(size), wsrep_ready="ON")
        first.settings["wsrep-cluster-address"] = address  # should it start again

    def _settings(self, at: int) -> dict[str, object]:
        group, transfer, files = self._ports[at]
        peers = ",".join(f"{HOST}:{ports[0].number}" for ports in self._ports)
        options = {
            "gmcast.listen_addr": f"tcp://{HOST}:{group.number}",
            "ist.recv_addr": f"{HOST}:{transfer.number}",
            "gcache.size": "8M",
        }
        return {
            "wsrep-on": "ON",
            "wsrep-provider": library(),
            "wsrep-provider-options": ";".join(f"{key}={value}" for key, value in options.items()),
            "wsrep-cluster-address": f"{_NEW}{peers}",
            "wsrep-cluster-name": "fleet",
            "wsrep-node-address": HOST,
            "wsrep-node-name": f"node-{at}",
            "wsrep-sst-method": "rsync",
            "wsrep-sst-receive-address": f"{HOST}:{files.number}",
            "server-id": at + 1,
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": 2,
        }


def status_of(node: MariaDb, *names: str) -> dict[str, str]:
    """Return what the status of a node says."""
    listed = ",".join(f"'{name}'" for name in names)
    told = node.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({listed})")
    return dict(line.split("\t", 1) for line in told.splitlines())


def set_provider(node: MariaDb, options: str) -> None:
    """Set options of Galera itself."""
    node.execute(f"SET GLOBAL wsrep_provider_options = '{options}'")
