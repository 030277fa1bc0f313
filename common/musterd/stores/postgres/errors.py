"""The module puts failures of PostgreSQL, its driver and the network into musterd's words; pure."""

import os
import socket
import ssl

import asyncpg

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores.link import Collision, NotWritable, RefusesAll

_NO_FUNCTION = "42883"
_NO_TABLES = ("42P01", _NO_FUNCTION, "3F000")  # undefined table, function, no such schema
_NO_RIGHTS = "42501"
_WAITED_TOO_LONG = ("57014", "55P03", "25P03")  # statement, lock, idle in transaction
# Serialization failure, deadlock, duplicate key, duplicate schema, table and function.
_COLLISIONS = ("40001", "40P01", "23505", "42P06", "42P07", "42723")
WRONG_SERVER = ("25006", "0A000", "55000")
"""Read-only, as a standby is; the other two, too, are of what it cannot do."""
_NO_SERVICE = ("08", "57")  # connection exceptions; starting up, shutting down, terminated


def translate(shard: str, error: Exception, limit: float) -> StoreError | None:
    """Return what a failure of the driver or the network means; None for a fault of our own."""
    if isinstance(error, TimeoutError) and not isinstance(error, asyncpg.PostgresError):
        return ShardUnavailable(shard, f"no answer within {limit:g} s")
    if isinstance(error, asyncpg.PostgresError):
        return _translate_reply(shard, error, limit)
    if isinstance(error, OSError):
        return ShardUnavailable(shard, _network_reason(error))
    if isinstance(
        error, asyncpg.exceptions.ClientConfigurationError | asyncpg.exceptions.DataError
    ):
        return ShardRefused(shard, _first_line(error))
    if type(error) is asyncpg.InternalClientError:  # its words are for asyncpg's developers
        return ShardUnavailable(shard, "connection lost")
    if isinstance(error, asyncpg.InternalClientError | asyncpg.InterfaceError):
        return ShardUnavailable(shard, _first_line(error))
    if isinstance(error, ValueError | LookupError | BufferError | EOFError):
        return ShardCorrupt(shard, f"unreadable answer ({type(error).__name__}: {error})")
    return None


def _translate_reply(shard: str, error: asyncpg.PostgresError, limit: float) -> StoreError:
    state, text = str(error.sqlstate), _first_line(error)
    if state in _NO_TABLES:
        missing = "functions of this version" if state == _NO_FUNCTION else "tables"
        advice = "run 'musterd init-db' or start the coordinator"
        return RefusesAll(shard, f"no musterd {missing} in this database: {advice}")
    if state == _NO_RIGHTS:
        return RefusesAll(shard, f"{text}: grant what 'musterd init-db --print' shows")
    if state in WRONG_SERVER:
        return NotWritable(shard, text)
    if state in _COLLISIONS:
        return Collision(shard, text)
    if state in _WAITED_TOO_LONG:
        return ShardUnavailable(shard, f"no answer within {limit:g} s ({text})")
    if state.startswith(_NO_SERVICE):
        return ShardUnavailable(shard, text)
    return ShardRefused(shard, text)


def _network_reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host name not found ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's
        return f"no TLS: {_first_line(error)}"
    return os.strerror(error.errno) if error.errno else _first_line(error) or "connection lost"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
