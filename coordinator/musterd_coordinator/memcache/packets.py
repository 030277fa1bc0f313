"""The module reads the requests of memcached's binary protocol, and makes its replies. Pure.

Numbers, shapes and texts are those of memcached 1.6.18: ``protocol_binary.h`` and ``proto_bin.c``.
"""

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from musterd.stores.table.items import KEY_LIMIT

REQUEST, _RESPONSE = 0x80, 0x81
BEGINNING = bytes((REQUEST,))
"""The first byte of whoever speaks this protocol; no command of the text protocol begins so."""

# magic, opcode, key's size, extras' size, data type, vbucket or status, body's size, opaque, cas
_HEADER = Struct("!BBHBBHIIQ")
HEADER_SIZE = _HEADER.size


class Opcode(IntEnum):
    """An `Opcode` is what a request wants."""

    GET = 0x00
    SET = 0x01
    ADD = 0x02
    REPLACE = 0x03
    DELETE = 0x04
    INCREMENT = 0x05
    DECREMENT = 0x06
    QUIT = 0x07
    FLUSH = 0x08
    NOOP = 0x0A
    VERSION = 0x0B
    GETK = 0x0C
    APPEND = 0x0E
    PREPEND = 0x0F
    STAT = 0x10
    TOUCH = 0x1C
    GAT = 0x1D
    SASL_LIST_MECHS = 0x20
    SASL_AUTH = 0x21
    SASL_STEP = 0x22
    GATK = 0x23


_QUIET: Mapping[int, Opcode] = {
    0x09: Opcode.GET,
    0x0D: Opcode.GETK,
    0x11: Opcode.SET,
    0x12: Opcode.ADD,
    0x13: Opcode.REPLACE,
    0x14: Opcode.DELETE,
    0x15: Opcode.INCREMENT,
    0x16: Opcode.DECREMENT,
    0x17: Opcode.QUIT,
    0x18: Opcode.FLUSH,
    0x19: Opcode.APPEND,
    0x1A: Opcode.PREPEND,
    0x1E: Opcode.GAT,
    0x24: Opcode.GATK,
}
"""Opcodes of requests that want no reply if all is well, or nothing is found."""

_COMMANDS: Mapping[int, Opcode] = {**_QUIET, **{opcode.value: opcode for opcode in Opcode}}


class ReplyStatus(IntEnum):
    """A `ReplyStatus` is what became of a request."""

    OK = 0x00
    NOT_FOUND = 0x01
    EXISTS = 0x02
    TOO_LARGE = 0x03
    INVALID = 0x04
    NOT_STORED = 0x05
    NON_NUMERIC = 0x06
    UNKNOWN_COMMAND = 0x81
    NO_MEMORY = 0x82


_TEXTS = {
    ReplyStatus.NOT_FOUND: b"Not found",
    ReplyStatus.EXISTS: b"Data exists for key.",
    ReplyStatus.TOO_LARGE: b"Too large.",
    ReplyStatus.INVALID: b"Invalid arguments",
    ReplyStatus.NOT_STORED: b"Not stored.",
    ReplyStatus.NON_NUMERIC: b"Non-numeric server-side value for incr or decr",
    ReplyStatus.UNKNOWN_COMMAND: b"Unknown command",
    ReplyStatus.NO_MEMORY: b"Out of memory allocating item",
}


class Request(NamedTuple):
    """A `Request` is a packet without its value, of which ``size`` bytes follow.

    ``opcode`` is the number as it came, and ``command`` what it stands for: None, nothing known.
    """

    opcode: int
    command: Opcode | None
    quiet: bool
    extras: bytes
    key: bytes
    size: int
    opaque: int
    cas: int


class NotARequest(Exception):
    """What came is no packet, or not one that fits together; ``reply`` is the last that is said."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


def read_request(data: bytes | bytearray) -> Request | None:
    """Return the request with which ``data`` begins; None while its extras and key are not all there.

    Raises NotARequest.
    """
    if len(data) < HEADER_SIZE:
        return None
    magic, opcode, key, extras, _, _, body, opaque, cas = _HEADER.unpack_from(data)
    if magic != REQUEST:
        raise NotARequest(b"")
    end = HEADER_SIZE + extras + key
    if len(data) < end:
        return None
    command = _COMMANDS.get(opcode)
    begin = HEADER_SIZE + extras
    words = bytes(data[HEADER_SIZE:begin]), bytes(data[begin:end])
    size = body - extras - key
    request = Request(opcode, command, opcode in _QUIET, *words, size, opaque, cas)
    if size < 0:
        raise NotARequest(refusal(request, ReplyStatus.UNKNOWN_COMMAND))
    if key > KEY_LIMIT or not _is_well_formed(request):
        raise NotARequest(refusal(request, ReplyStatus.INVALID))
    return request


def size_of(request: Request) -> int:
    """Return the bytes of ``request`` without its value."""
    return HEADER_SIZE + len(request.extras) + len(request.key)


class _Shape(NamedTuple):
    """A `_Shape` says how long a command's extras may be, and whether a key and a value belong to it."""

    extras: tuple[int, ...]
    key: bool | None  # None: or none
    value: bool = False


_BARE, _KEYED = _Shape((0,), key=False), _Shape((0,), key=True)
_STORING, _COUNTING = _Shape((8,), key=True, value=True), _Shape((20,), key=True)
_EXTENDING, _TOUCHING = _Shape((0,), key=True, value=True), _Shape((4,), key=True)
_SHAPES: Mapping[Opcode, _Shape] = {
    Opcode.GET: _KEYED,
    Opcode.GETK: _KEYED,
    Opcode.DELETE: _KEYED,
    Opcode.SET: _STORING,
    Opcode.ADD: _STORING,
    Opcode.REPLACE: _STORING,
    Opcode.APPEND: _EXTENDING,
    Opcode.PREPEND: _EXTENDING,
    Opcode.INCREMENT: _COUNTING,
    Opcode.DECREMENT: _COUNTING,
    Opcode.TOUCH: _TOUCHING,
    Opcode.GAT: _TOUCHING,
    Opcode.GATK: _TOUCHING,
    Opcode.FLUSH: _Shape((0, 4), key=False),
    Opcode.STAT: _Shape((0,), key=None),
    Opcode.QUIT: _BARE,
    Opcode.NOOP: _BARE,
    Opcode.VERSION: _BARE,
    Opcode.SASL_LIST_MECHS: _BARE,
    Opcode.SASL_AUTH: _EXTENDING,
    Opcode.SASL_STEP: _EXTENDING,
}


def _is_well_formed(request: Request) -> bool:
    if request.command is None:
        return True
    extras, key, value = _SHAPES[request.command]
    if len(request.extras) not in extras or (request.size and not value):
        return False
    return key is None or key == bool(request.key)


def reply(
    request: Request,
    value: bytes = b"",
    *,
    status: ReplyStatus = ReplyStatus.OK,
    extras: bytes = b"",
    key: bytes = b"",
    cas: int = 0,
) -> bytes:
    """Return a packet that answers ``request``."""
    body = len(extras) + len(key) + len(value)
    sizes = len(key), len(extras), 0, status, body
    return (
        _HEADER.pack(_RESPONSE, request.opcode, *sizes, request.opaque, cas) + extras + key + value
    )


def refusal(request: Request, status: ReplyStatus) -> bytes:
    """Return a packet that says in words why not; it is sent even where ``request`` is quiet."""
    return reply(request, _TEXTS[status], status=status)
