"""A replica of a MariaDB: a second real server that follows the first by its GTIDs."""

import time

from musterd.testing.busy import Patience
from musterd.testing.mariadb import SUPERUSER, MariaDb
from musterd.testing.processes import ServerError

PRIMARY = {"server_id": 1, "log_bin": "binlog", "binlog_format": "ROW"}
"""Settings of a server that others can follow."""

_FOLLOW = """
STOP SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos = '';
CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port}, MASTER_USER = '{user}',
    MASTER_PASSWORD = '{password}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1{tls};
START SLAVE; SET GLOBAL read_only = 1
"""
_PATIENCE = 30.0


def replica_settings(**settings: object) -> dict[str, object]:
    """The settings of a server that is to follow another."""
    return {**PRIMARY, **settings, "server_id": 2, "log_slave_updates": "on"}


def follow(replica: MariaDb, primary: MariaDb) -> None:
    """Have an empty server do all that ``primary`` did and does, and nothing else."""
    tls = ", MASTER_SSL = 1" if primary.client_options else ""
    where = {"host": primary.host, "port": primary.port, "user": SUPERUSER}
    replica.execute(_FOLLOW.format(**where, password=primary.password, tls=tls))
    wait_for(replica, primary)


def wait_for(replica: MariaDb, primary: MariaDb) -> None:
    """Wait until the replica has what the primary has now."""
    position = primary.execute("SELECT @@gtid_binlog_pos")
    patience = Patience(_PATIENCE)
    while replica.execute(f"SELECT MASTER_GTID_WAIT('{position}', 1)") != "0":
        if patience.is_over:
            raise ServerError(replica.execute("SHOW SLAVE STATUS\\G"))
        time.sleep(0.05)


def promote(replica: MariaDb) -> None:
    """Make it a primary, as an operator or a cluster manager does."""
    replica.execute("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0")
