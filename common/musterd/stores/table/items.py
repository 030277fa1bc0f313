"""The module says what memcached means by a key, a number, an item, and the outcome of a write.

The rules are those of memcached 1.6: ``doc/protocol.txt``, and its source where that is silent.
"""

import re
from collections.abc import Callable
from enum import Enum
from math import inf

import msgspec

KEY_LIMIT = 250  # bytes
ITEM_LIMIT = 1 << 20  # bytes of one item as memcached counts it: key, value and its own header
# Bytes beyond which memcached keeps an item in pieces, and counts with it no more.
CHUNK_LIMIT = ITEM_LIMIT // 2
RELATIVE_LIMIT = 30 * 24 * 3600  # seconds; a greater exptime is a Unix time
UNSIGNED = 1 << 64  # counters are less than this

_HEADER = 59  # sizeof(item), the cas number, the key's NUL, the value's CRLF
_FLAGS = 4  # kept only where they are not 0
_PLAIN_DIGITS = 19  # that many are read without a second look
_KEY = re.compile(rb"[!-~\x80-\xff]{1,%d}" % KEY_LIMIT)
_INTEGER = re.compile(rb"\s*[+-]?[0-9]{1,20}\s*")
_NUMBER = re.compile(rb"\s*([+-]?)(?=[0-9])0*([0-9]{0,20})(?![^\s\0])")


class Outcome(bytes, Enum):
    """An ``Outcome`` is what became of a write, in memcached's own words."""

    STORED = b"STORED"
    NOT_STORED = b"NOT_STORED"
    EXISTS = b"EXISTS"
    NOT_FOUND = b"NOT_FOUND"
    BAD_KEY = b"CLIENT_ERROR bad command line format"
    NON_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value"
    TOO_LARGE = b"SERVER_ERROR object too large for cache"
    NO_MEMORY = b"SERVER_ERROR out of memory storing object"


class Item(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An ``Item`` is a value as it was stored.

    ``expires`` is an instant of the table's monotonic clock.
    """

    value: bytes
    flags: int
    cas: int
    expires: float


def valid_key(key: bytes) -> bool:
    """Say whether ``key`` has 1 to 250 bytes, none of them a space or a control character."""
    return _KEY.fullmatch(key) is not None


def memcached_size(key: bytes, size: int, flags: int) -> int:
    """Return what memcached counts against its item limit for a value of ``size`` bytes."""
    return len(key) + size + _HEADER + (_FLAGS if flags else 0)


def is_in_pieces(key: bytes, size: int, flags: int) -> bool:
    """Say whether memcached would keep a value of ``size`` bytes in pieces."""
    return memcached_size(key, size, flags) > CHUNK_LIMIT


def seconds_left(exptime: int, wall: Callable[[], float]) -> float:
    """Return the seconds that an item with this exptime has left; negative if they are over already."""
    if exptime == 0:
        return inf
    if exptime < 0:
        return -inf
    return exptime if exptime <= RELATIVE_LIMIT else exptime - wall()


def parse_integer(text: bytes, low: int, high: int) -> int | None:
    """Return the number that ``text`` is, blanks around it allowed; None if it is not in low..high."""
    plain = text.isdigit() and len(text) <= _PLAIN_DIGITS
    if not plain and _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if low <= number <= high else None


def parse_unsigned(text: bytes) -> int | None:
    """Return the 64-bit number that begins ``text``, by the rules of C's ``strtoull``, else None.

    memcached reads counters and deltas so: blanks may precede the digits, a blank or NUL ends
    them, and a minus sign is refused only where the wrapped number has its highest bit set.
    """
    match = _NUMBER.match(text)
    if match is None:
        return None
    number = int(match[2] or b"0")
    if number >= UNSIGNED:
        return None
    if match[1] == b"-":
        number = -number % UNSIGNED
    return None if number >= UNSIGNED // 2 and b"-" in text else number
