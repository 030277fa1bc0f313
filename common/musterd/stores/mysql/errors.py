"""The module puts failures of MariaDB, its driver and the network into musterd's words; pure."""

import os
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncmy.errors import InternalError, MySQLError

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import Collision, NotWritable, RefusesAll
from musterd.stores.mysql.tls import why_no_tls

_NO_DATABASE = 1049
_NO_TABLES = (1146, 1305, 1318, 1054)  # no table, no procedure, or another one; no such column
_LOGIN = (1044, 1045, 1698)
_NO_RIGHTS = (1142, 1143, 1227, 1370)
_PLAIN = 3159  # what the connection is, and MySQL takes nothing but TLS
_WHATEVER_IS_ASKED = (_NO_DATABASE, *_NO_TABLES, *_LOGIN, *_NO_RIGHTS, _PLAIN)
_BY_TLS = "name its authority in the URL of the store, as in ?ssl_ca=FILE"
TAKEN = 1062  # a key that is there already
# Deadlock, as a conflict of Galera's is one too; row changed meanwhile; prepare anew; and 3101, a
# conflict of a group of MySQL's own.
_COLLISIONS = (1213, 1020, TAKEN, 1615, 3101)
LOCKED = 1205  # waited too long for a lock; or, at a node of Galera, for what others wrote
_WAITED_TOO_LONG = (LOCKED, 1317, 1969, 3024)  # the others: ended, by its time limit or by hand
_GONE = (1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2055, 3169, 4031)
_NOT_READY = 1047
_READ_ONLY = (1290, 1792, 1836, 3100)  # 3100: a member of a MySQL group that is none any more
_TOO_MANY = 1040
_OFFLINE = 3032  # to all but administrators
_FULL = 1114
_NO_SOCKET = "does not expose socket"  # says asyncmy of a connection that ended as soon as it began


@contextmanager
def said_by(shard: str, server: str) -> Iterator[None]:
    """Raise NotWritable, in words that name ``server``, for what it says when it takes no changes.

    So does one that is read-only, as a replica is, and a node that is cut off from its cluster, or
    not ready.
    """
    try:
        yield
    except MySQLError as error:
        if number_of(error) in _READ_ONLY:
            raise read_only(shard, server, text_of(error)) from None
        if number_of(error) == _NOT_READY:
            raise not_ready(shard, server, text_of(error)) from None
        raise


def read_only(shard: str, server: str, said: str) -> NotWritable:
    """Return what it means that ``server`` is read-only."""
    return NotWritable(
        shard,
        f"{server} is read-only ({said}): make it take changes, or name the host that does too",
    )


def not_ready(shard: str, server: str, said: str) -> NotWritable:
    """Return what it means that ``server`` is a node that is not ready."""
    return NotWritable(
        shard,
        f"{server} is cut off from its Galera cluster or not ready ({said}): see its"
        " wsrep_cluster_status and wsrep_local_state_comment, and name the other nodes too",
    )


def is_of_one_host(error: Exception) -> bool:
    """Say whether a connect that failed so may be made to another host at once."""
    if isinstance(error, MySQLError):
        is_network = isinstance(error.__cause__, OSError)
        return is_network or number_of(error) in (*_GONE, _TOO_MANY, _OFFLINE)
    return isinstance(error, NotWritable | OSError) or _NO_SOCKET in str(error)


def of_all(failures: Sequence[StoreError]) -> StoreError:
    """Return what it means that none of several hosts can be used, of which each says why."""
    refused = [failure for failure in failures if isinstance(failure, NotWritable)]
    last = (refused or failures)[-1]
    return type(last)(last.shard, "; ".join(failure.reason for failure in failures))


def number_of(error: BaseException) -> int:
    """Return the number of a server's or the driver's error; 0: it has none."""
    if isinstance(error, MySQLError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return 0


def translate(
    shard: str, error: Exception, limit: float, *, plain: bool = False
) -> StoreError | None:
    """Return what a failure of the driver or the network means; None for a fault of our own.

    ``plain``: the connection is neither by TLS nor within this host.
    """
    if isinstance(error, TimeoutError):
        return ShardUnavailable(shard, f"no answer within {limit:g} s")
    if isinstance(error, MySQLError):
        return _translate_driver(shard, error, limit, plain=plain)
    if isinstance(error, OSError):
        return ShardUnavailable(shard, _network_reason(error))
    if isinstance(error, RuntimeError) and _NO_SOCKET in str(error):
        return ShardUnavailable(shard, "connection lost")
    if isinstance(
        error,
        RuntimeError
        | ValueError
        | LookupError
        | AssertionError
        | struct.error
        | TypeError
        | OverflowError
        | MemoryError,
    ):
        return ShardCorrupt(shard, f"unreadable answer ({type(error).__name__}: {error})"[:300])
    return None


def _translate_driver(shard: str, error: MySQLError, limit: float, *, plain: bool) -> StoreError:
    number, text, cause = number_of(error), text_of(error), error.__cause__
    if isinstance(cause, OSError):  # a time that was up is one
        translated = translate(shard, cause, limit)
        assert translated is not None
        return translated
    if number in _COLLISIONS:
        return Collision(shard, text)
    if number in _WAITED_TOO_LONG:
        return ShardUnavailable(shard, f"no answer within {limit:g} s ({text})")
    if number in _GONE:
        return ShardUnavailable(shard, "connection lost")
    if not number and isinstance(error, InternalError):
        return ShardCorrupt(shard, f"unreadable answer ({text})")
    # MariaDB has no other word for an account, or a whole server, that takes TLS only.
    maybe = f"; where the password is right, perhaps it takes TLS only: {_BY_TLS}"
    kind = RefusesAll if number in _WHATEVER_IS_ASKED else ShardRefused
    return kind(shard, _refusal(number, text) + (maybe if plain and number in _LOGIN else ""))


def _refusal(number: int, text: str) -> str:
    if number == _NO_DATABASE:
        return f"{text}: let its server's owner CREATE DATABASE first"
    if number in _NO_TABLES:
        return (
            "no musterd tables of this version in this database: run 'musterd init-db' or start the"
            " coordinator"
        )
    if number in _LOGIN:
        return f"login refused: {text}"
    if number == _PLAIN:
        return f"{text}: {_BY_TLS}"
    if number in _NO_RIGHTS:
        return f"{text}: grant what 'musterd init-db --print' shows"
    if number == _FULL:
        return (
            f"{text}: 'musterd init-db' gives one in memory more room; where it is none, the disk of"
            " its server is full"
        )
    return text


def text_of(error: MySQLError) -> str:
    """Return what the server or the driver said, in one line."""
    text = str(error.args[-1]) if error.args else type(error).__name__
    kept = "".join(letter for letter in text.partition("\n")[0] if letter.isprintable())
    return kept[:300] or type(error).__name__


def _network_reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host name not found ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's
        return why_no_tls(error)
    return os.strerror(error.errno) if error.errno else str(error) or "connection lost"
