"""The module puts what a MariaDB registry holds and takes into musterd's terms; pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from musterd_coordinator.registry.base import Gone, Row
from musterd_coordinator.registry.rows import as_text

ROWS = 2000
"""Rows of one statement."""

BYTES = 1 << 20
"""Bytes of one statement, and a row more: a server takes 16 MB at once."""

_OLDEST_MARIADB, _OLDEST_MYSQL = (10, 6), (8, 0)
_GONE = 12  # in a row of a member: whether it was forgotten
_VERSION = 11
_encode = msgspec.json.Encoder().encode


class ChangeMark(NamedTuple):
    """A `ChangeMark` is a moment in the life of one server: the number of its last change."""

    number: int
    life: int

    def read_from(self, previous: "ChangeMark | None") -> int:
        """Return the change after which to read; 0 to read everything."""
        if previous is None or self.life != previous.life or self.number < previous.number:
            return 0
        return previous.number


def told(rows: Iterable[Sequence[Any]]) -> tuple[list[Row], list[Gone]]:
    """Return the rows of those that are members, and who is forgotten."""
    texts: list[Row] = [tuple(map(as_text, row)) for row in rows]
    gone = [
        Gone(row[0], row[1], int(row[_VERSION]))
        for row in texts
        if row[_GONE] and isinstance(row[0], str) and isinstance(row[1], str)
    ]
    return [row[:_VERSION] for row in texts if not row[_GONE]], gone


def in_json(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield ``rows`` as JSON, a statement's worth at a time. Raises UnicodeError."""
    part, size = list[bytes](), 0
    for row in rows:
        text = _encode([_value(value) for value in row])
        part.append(text)
        size += len(text)
        if len(part) >= ROWS or size >= BYTES:
            yield _array(part)
            part, size = [], 0
    if part:
        yield _array(part)


def _array(parts: Iterable[bytes]) -> str:
    return f"[{b','.join(parts).decode()}]"


def _value(value: object) -> object:
    return as_instant(value) if isinstance(value, datetime) else value


@lru_cache(1024)  # a batch of a hundred thousand has a few
def as_instant(at: datetime) -> str:
    """Return an instant as a column takes it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def as_bytes(name: str) -> bytes:
    """Return a name as its column holds it, whatever was found there."""
    return name.encode("utf-8", "surrogateescape")


def is_too_old(version: str) -> bool:
    """Say whether a server of this version knows no JSON_TABLE, or may not."""
    found = re.match(r"(\d+)\.(\d+)", version)
    oldest = _OLDEST_MARIADB if "MariaDB" in version else _OLDEST_MYSQL
    return found is None or (int(found[1]), int(found[2])) < oldest


def as_name(name: bytes | str) -> str:
    """Return what a column of names holds; no member is called by what is no UTF-8."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def with_names(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those of ``names`` that a member can have."""
    return [each for each in names if _is_text(each[0]) and _is_text(each[1])]


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)
