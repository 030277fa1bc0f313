"""The module puts what SQLite holds and says into musterd's terms; pure."""

import sqlite3
from datetime import UTC, datetime
from functools import lru_cache


def reason_of(error: sqlite3.Error) -> str:
    """Return why a file cannot be used, in words."""
    code = _code(error)
    if is_in_use(error):
        return "in use: another coordinator runs on it; give each a registry of its own"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"this user cannot write it and its folder ({error})"
    if code == sqlite3.SQLITE_NOTADB:
        return "not a SQLite database; name another file"
    return str(error)


def is_in_use(error: sqlite3.Error) -> bool:
    """Say whether another process has the file."""
    return _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def as_value(value: object) -> object:
    """Return what a column is to hold: an instant as text that sorts, all else as it is."""
    return _instant_text(value) if isinstance(value, datetime) else value


@lru_cache(1024)  # a batch of a hundred thousand has a few
def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
