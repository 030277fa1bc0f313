"""What is made of the errors of MariaDB, its driver and the network."""

import re
import socket
import struct

import pytest
from asyncmy.errors import InternalError, MySQLError, OperationalError, ProgrammingError

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import Collision
from musterd.stores.mysql.errors import number_of, translate


def lost(cause: Exception) -> MySQLError:
    """What the driver raises when the network failed it."""
    error = OperationalError(2003, "Can't connect to MySQL server on 'db1'")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (TimeoutError(), ShardUnavailable, "no answer within 2 s"),
        (ConnectionRefusedError(111, "x"), ShardUnavailable, "connection refused"),
        (ConnectionResetError(104, "x"), ShardUnavailable, "Connection reset by peer"),
        (ConnectionError("0 bytes read"), ShardUnavailable, "0 bytes read"),
        (ConnectionError(), ShardUnavailable, "connection lost"),
        (socket.gaierror(-2, "Name unknown"), ShardUnavailable, "host name not found"),
        (lost(TimeoutError()), ShardUnavailable, "no answer within 2 s"),
        (lost(ConnectionRefusedError(111, "x")), ShardUnavailable, "connection refused"),
        (OperationalError(2013, "Lost connection"), ShardUnavailable, "connection lost"),
        (OperationalError(1205, "Lock wait"), ShardUnavailable, r"within 2 s \(Lock wait\)"),
        (OperationalError(1213, "Deadlock found"), Collision, "Deadlock found"),
        (OperationalError(1045, "Access denied"), ShardRefused, "login refused: Access denied"),
        (OperationalError(1049, "Unknown database"), ShardRefused, "CREATE DATABASE first"),
        (ProgrammingError(1146, "no table"), ShardRefused, "run 'musterd init-db'"),
        (ProgrammingError(1142, "denied"), ShardRefused, "denied: grant what 'musterd init-db"),
        (OperationalError(1114, "table full\nand more"), ShardRefused, "^table full$"),
        (OperationalError(1114, "\x00\x1b"), ShardRefused, "^OperationalError$"),
        (OperationalError(), ShardRefused, "^OperationalError$"),
        (InternalError("Packet sequence number wrong"), ShardCorrupt, "Packet sequence"),
        (struct.error("unpack requires 4 bytes"), ShardCorrupt, "unreadable answer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_is_wrong_with_the_database(
    error: Exception, kind: type[StoreError], reason: str
) -> None:
    translated = translate("db1:3306/fleet", error, 2)
    assert type(translated) is kind
    assert re.search(reason, translated.reason)


def test_a_fault_of_our_own_is_not_taken_for_the_databases() -> None:
    assert translate("db1:3306/fleet", AttributeError("ours"), 2) is None
    assert number_of(AttributeError(1045)) == 0


def test_a_login_that_is_refused_by_a_plain_connection_may_want_tls() -> None:
    """MariaDB says that of an account, or a server, that takes TLS only."""
    refused = OperationalError(1045, "Access denied")
    for plain in (True, False):
        translated = translate("db1:3306/fleet", refused, 2, plain=plain)
        assert translated
        assert ("?ssl_ca=FILE" in translated.reason) is plain
    only = translate("db1:3306/fleet", OperationalError(3159, "insecure transport"), 2)
    assert only
    assert "?ssl_ca=FILE" in only.reason
