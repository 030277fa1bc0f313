"""What is made of the errors of MariaDB, its driver and the network."""

import re
import socket
import struct

import pytest
from asyncmy.errors import InternalError, MySQLError, OperationalError, ProgrammingError

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import Collision, NotWritable, RefusesAll
from musterd.stores.mysql.errors import is_of_one_host, number_of, of_all, said_by, translate


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
        (OperationalError(3101, "Plugin instructed"), Collision, "Plugin instructed"),
        (OperationalError(4031, "inactivity"), ShardUnavailable, "connection lost"),
        (OperationalError(1045, "Access denied"), RefusesAll, "login refused: Access denied"),
        (OperationalError(1049, "Unknown database"), RefusesAll, "CREATE DATABASE first"),
        (ProgrammingError(1146, "no table"), RefusesAll, "run 'musterd init-db'"),
        (ProgrammingError(1142, "denied"), RefusesAll, "denied: grant what 'musterd init-db"),
        (
            OperationalError(1114, "table full\n"),
            ShardRefused,
            "^table full: 'musterd init-db' gives",
        ),
        (OperationalError(1030, "got 28\nand more"), ShardRefused, "^got 28$"),
        (OperationalError(1030, "\x00\x1b"), ShardRefused, "^OperationalError$"),
        (OperationalError(), ShardRefused, "^OperationalError$"),
        (RuntimeError("Transport does not expose socket instance"), ShardUnavailable, "lost"),
        (RuntimeError("**WARN**: Received LOAD_LOCAL packet but"), ShardCorrupt, "unreadable"),
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


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1290, r"^db2:3306 is read-only \(why\): .* name the host that does too$"),
        (1792, "db2:3306 is read-only"),
        (3100, "db2:3306 is read-only"),
        (
            1047,
            r"^db2:3306 is cut off from its Galera cluster or not ready \(why\): see its wsrep_",
        ),
    ],
)
def test_a_server_that_takes_no_changes_is_named_with_what_to_do(number: int, reason: str) -> None:
    with pytest.raises(NotWritable) as raised, said_by("db1:3306,db2:3306/fleet", "db2:3306"):
        raise OperationalError(number, "why")
    assert re.search(reason, raised.value.reason)
    assert raised.value.shard == "db1:3306,db2:3306/fleet"


def test_what_else_a_server_says_is_left_as_it_is() -> None:
    with pytest.raises(OperationalError), said_by("db1:3306/fleet", "db1:3306"):
        raise OperationalError(1213, "Deadlock found")


@pytest.mark.parametrize(
    ("error", "of_one_host"),
    [
        (lost(ConnectionRefusedError(111, "x")), True),
        (lost(TimeoutError()), True),
        (ConnectionResetError(104, "x"), True),
        (OperationalError(1040, "Too many connections"), True),
        (OperationalError(2013, "Lost connection"), True),
        (OperationalError(3032, "The server is currently in offline mode"), True),
        (NotWritable("db1:3306/fleet", "read-only"), True),
        (RuntimeError("Transport does not expose socket instance"), True),
        (OperationalError(1045, "Access denied"), False),
        (OperationalError(1049, "Unknown database"), False),
        (ShardRefused("db1:3306/fleet", "cannot read the option file"), False),
        (AttributeError("ours"), False),
    ],
)
def test_another_host_is_tried_where_it_may_be_better(
    error: Exception, *, of_one_host: bool
) -> None:
    assert is_of_one_host(error) is of_one_host


def test_where_all_hosts_fail_each_says_why() -> None:
    away, old = ShardUnavailable("s", "db1: refused"), NotWritable("s", "db2 is read-only")
    for failures in ([away, old], [old, away]):
        assert type(of_all(failures)) is NotWritable
    assert of_all([away, old]).reason == "db1: refused; db2 is read-only"
    assert type(of_all([away, away])) is ShardUnavailable
