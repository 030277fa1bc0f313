"""A replica of a MariaDB, or a MySQL: a second real server that follows the first by its GTIDs."""

import time
from dataclasses import dataclass

from musterd.testing.busy import Patience
from musterd.testing.mariadb import MARIADB, SUPERUSER, MariaDb
from musterd.testing.processes import ServerError

PRIMARY = {"server_id": 1, "log_bin": "binlog", "binlog_format": "ROW"}
"""Settings of a server that others can follow."""

_PATIENCE = 30.0


@dataclass(frozen=True)
class Words:
    """What one make of server calls what a replica does."""

    follow: str
    tls: str
    position: str
    wait: str
    promote: str


_OF_MARIADB = Words(
    """
STOP SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos = '';
CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port}, MASTER_USER = '{user}',
    MASTER_PASSWORD = '{password}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1{tls};
START SLAVE; SET GLOBAL read_only = 1
""",
    ", MASTER_SSL = 1",
    "@@gtid_binlog_pos",
    "MASTER_GTID_WAIT",
    "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0",
)
_OF_MYSQL = Words(
    """
STOP REPLICA; RESET BINARY LOGS AND GTIDS;
CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{host}', SOURCE_PORT = {port}, SOURCE_USER = '{user}',
    SOURCE_PASSWORD = '{password}', SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1,
    GET_SOURCE_PUBLIC_KEY = 1{tls};
START REPLICA; SET GLOBAL super_read_only = 1
""",
    ", SOURCE_SSL = 1",
    "REPLACE(@@GLOBAL.gtid_executed, '\\n', '')",
    "WAIT_FOR_EXECUTED_GTID_SET",
    "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL read_only = 0",
)
_OF_GTIDS = {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"}


def replica_settings(**settings: object) -> dict[str, object]:
    """The settings of a server that is to follow another."""
    return {**primary_settings(**settings), "server_id": 2, "log_slave_updates": "on"}


def primary_settings(**settings: object) -> dict[str, object]:
    """The settings of a server that others can follow."""
    return {**PRIMARY, **({} if MariaDb.make is MARIADB else _OF_GTIDS), **settings}


def _words(server: MariaDb) -> Words:
    return _OF_MARIADB if server.make is MARIADB else _OF_MYSQL


def follow(replica: MariaDb, primary: MariaDb) -> None:
    """Have an empty server do all that ``primary`` did and does, and nothing else."""
    words = _words(replica)
    tls = words.tls if primary.client_options else ""
    where = {"host": primary.host, "port": primary.port, "user": SUPERUSER}
    replica.execute(words.follow.format(**where, password=primary.password, tls=tls))
    wait_for(replica, primary)


def wait_for(replica: MariaDb, primary: MariaDb) -> None:
    """Wait until the replica has what the primary has now."""
    words = _words(replica)
    position = primary.execute(f"SELECT {words.position}")
    patience = Patience(_PATIENCE)
    while replica.execute(f"SELECT {words.wait}('{position}', 1)") != "0":
        if patience.is_over:
            raise ServerError(f"{replica.address} does not follow:\n{replica.log[-2000:]}")
        time.sleep(0.05)


def promote(replica: MariaDb) -> None:
    """Make it a primary, as an operator or a cluster manager does."""
    replica.execute(_words(replica).promote)
