"""Packets of memcached's binary protocol, made and taken apart by hand."""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

HEADER = Struct("!BBHBBHIIQ")

GET, SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, QUIT, FLUSH, GETQ, NOOP, VERSION = range(12)
GETK, GETKQ, APPEND, PREPEND, STAT, SETQ, ADDQ, REPLACEQ, DELETEQ = range(0x0C, 0x15)
INCREMENTQ, DECREMENTQ, QUITQ, FLUSHQ, APPENDQ, PREPENDQ, VERBOSITY = range(0x15, 0x1C)
TOUCH, GAT, GATQ = range(0x1C, 0x1F)
LIST_MECHS, AUTH, STEP, GATK, GATKQ = range(0x20, 0x25)


class Reply(NamedTuple):
    """A reply, as far as it tells anything."""

    opcode: int
    status: int
    extras: bytes
    key: bytes
    value: bytes
    opaque: int
    cas: int


def packet(
    opcode: int,
    key: bytes = b"",
    value: bytes = b"",
    *,
    extras: bytes = b"",
    opaque: int = 0,
    cas: int = 0,
) -> bytes:
    body = extras + key + value
    header = HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque, cas)
    return header + body


def storing(flags: int = 0, exptime: int = 0) -> bytes:
    return Struct("!II").pack(flags, exptime)


def counting(delta: int, beginning: int = 0, exptime: int = 0xFFFF_FFFF) -> bytes:
    return Struct("!QQI").pack(delta, beginning, exptime)


def expiring(exptime: int) -> bytes:
    return Struct("!I").pack(exptime)


def replies(data: bytes) -> Iterator[Reply]:
    """All replies in ``data``, which has to end with one."""
    while data:
        magic, opcode, key, extras, _, status, body, opaque, cas = HEADER.unpack_from(data)
        assert magic == 0x81
        rest, data = data[HEADER.size : HEADER.size + body], data[HEADER.size + body :]
        assert len(rest) == body
        end = extras + key
        yield Reply(opcode, status, rest[:extras], rest[extras:end], rest[end:], opaque, cas)
