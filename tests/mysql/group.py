"""A group of MySQL: real servers on this machine, of which one takes changes and the others follow it."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Self

from musterd.testing.busy import Patience
from musterd.testing.mariadb import SUPERUSER
from musterd.testing.mysql import MySql
from musterd.testing.processes import HOST, HeldPort, ServerError

_PATIENCE = 60.0  # seconds to join, and for the others to see that one is gone
_STATES = "SELECT member_state FROM performance_schema.replication_group_members"
_RECOVERY = (
    "SET SQL_LOG_BIN = 0; CHANGE REPLICATION SOURCE TO SOURCE_USER = '{}', SOURCE_PASSWORD = '{}'"
    " FOR CHANNEL 'group_replication_recovery'; SET SQL_LOG_BIN = 1"
)


class Group:
    """A group of ``size`` servers, in single-primary mode. The first begins it."""

    def __init__(self, size: int = 3) -> None:
        self._ports = [HeldPort() for _ in range(size)]
        self._name = str(uuid.uuid4())
        self.nodes = [MySql(**self._settings(at)) for at in range(size)]

    def __enter__(self) -> Self:
        try:
            for at, node in enumerate(self.nodes):
                self._join(node, first=at == 0)
                self.wait(partial(self._are_online, at + 1), "a member that joined")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End all servers, at once."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.close()
        for port in self._ports:
            port.release()

    @property
    def addresses(self) -> str:
        """Return the addresses of all, as they stand in a URL."""
        return ",".join(node.address for node in self.nodes)

    @property
    def primary(self) -> MySql:
        """Return the one that takes changes. Raises ServerError."""
        self.wait(lambda: self._primary() is not None, "a primary")
        found = self._primary()
        assert found is not None
        return found

    def force(self, node: MySql) -> None:
        """Make what is left a group: ``node`` alone."""
        own = self._ports[self.nodes.index(node)]
        node.execute(f"SET GLOBAL group_replication_force_members = '{HOST}:{own.number}'")

    def wait(self, is_so: Callable[[], bool], for_what: str) -> None:
        """Wait until something is so."""
        patience = Patience(_PATIENCE)
        while not is_so():
            if patience.is_over:
                logs = "\n".join(node.log[-1000:] for node in self.nodes)
                raise ServerError(f"there is not {for_what}:\n{logs}")
            time.sleep(0.05)

    def _primary(self) -> MySql | None:
        running = (node for node in self.nodes if node.is_running)
        takes = (node for node in running if node.execute("SELECT @@super_read_only") == "0")
        return next(takes, None)

    def _are_online(self, count: int) -> bool:
        return self.nodes[0].execute(_STATES).split().count("ONLINE") == count

    def _join(self, node: MySql, *, first: bool) -> None:
        node.settings["report_port"] = node.port
        node.start()
        node.execute("RESET BINARY LOGS AND GTIDS")
        node.execute(_RECOVERY.format(SUPERUSER, node.password))
        node.execute(f"SET GLOBAL group_replication_bootstrap_group = {int(first)}")
        node.execute("START GROUP_REPLICATION")
        node.execute("SET GLOBAL group_replication_bootstrap_group = 0")

    def _settings(self, at: int) -> dict[str, object]:
        options = {
            "group_name": self._name,
            "start_on_boot": "OFF",
            "local_address": f"{HOST}:{self._ports[at].number}",
            "group_seeds": ",".join(f"{HOST}:{port.number}" for port in self._ports),
            "recovery_get_public_key": "ON",
            "ip_allowlist": f"{HOST}/8",
            "member_expel_timeout": 0,
        }
        return {
            **MySql.cheap,
            **{f"loose_group_replication_{key}": value for key, value in options.items()},
            "server_id": at + 1,
            "gtid_mode": "ON",
            "enforce_gtid_consistency": "ON",
            "plugin_load_add": "group_replication.so",
            "performance_schema": "ON",
            "report_host": HOST,
        }
