"""The module does to a table what each request of memcached's binary protocol says, and answers it.

Replies are those of memcached 1.6.18 to the byte (``proto_bin.c``), with one exception, as in the
text protocol: nothing is stored under a key with blanks or control characters.
"""

from collections.abc import Callable, Mapping
from struct import Struct

from musterd.stores.table.items import Item, Outcome, is_in_pieces
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.packets import Opcode, ReplyStatus, Request, refusal, reply

_STORING = Struct("!II")  # flags, expiry
_COUNTING = Struct("!QQI")  # delta, the number to begin with, expiry
_EXPIRY = Struct("!I")
_NUMBER = Struct("!Q")
_NO_BEGINNING = 0xFFFF_FFFF
"""The expiry with which a counter that is not there is not made."""

_STORES = frozenset((Opcode.SET, Opcode.ADD, Opcode.REPLACE))
_WITH_KEY = frozenset((Opcode.GETK, Opcode.GATK))

_REFUSED = {
    Outcome.BAD_KEY: ReplyStatus.INVALID,
    Outcome.TOO_LARGE: ReplyStatus.TOO_LARGE,
    Outcome.NO_MEMORY: ReplyStatus.NO_MEMORY,
}
_NOT_STORED = {
    Outcome.EXISTS: ReplyStatus.EXISTS,
    Outcome.NOT_FOUND: ReplyStatus.NOT_FOUND,
    Outcome.NOT_STORED: ReplyStatus.NOT_STORED,
    **_REFUSED,
}


# Reading


def _get(table: Table, request: Request) -> bytes:
    return _found(request, table.get((request.key,))[0])


def _touch(table: Table, request: Request) -> bytes:
    (exptime,) = _EXPIRY.unpack(request.extras)
    return _found(request, table.gat(exptime, (request.key,))[0])


def _found(request: Request, item: Item | None) -> bytes:
    key = request.key if request.command in _WITH_KEY else b""
    if item is not None:
        flags = item.flags.to_bytes(4)
        value = b"" if request.command is Opcode.TOUCH else item.value
        return reply(request, value, extras=flags, key=key, cas=item.cas)
    if request.quiet:
        return b""
    if key:
        return reply(request, status=ReplyStatus.NOT_FOUND, key=key)
    return refusal(request, ReplyStatus.NOT_FOUND)


# Storing


def begin_store(table: Table, request: Request) -> bytes | None:
    """Judge a request that stores before its value comes: return the refusal; None, it may come."""
    flags = _STORING.unpack(request.extras)[0] if request.command in _STORES else 0
    refused = table.refusal(request.key, request.size, flags)
    if refused is None:
        return None
    table.refuse(request.key, refused, stale=request.command is Opcode.SET)
    return refusal(request, _REFUSED[refused])


def store(table: Table, request: Request, value: bytes) -> bytes:
    """Return the reply to a request that stores ``value``."""
    put = _put if request.command in _STORES else _extend
    outcome = put(table, request, value)
    if outcome is Outcome.STORED:
        return _done(request, cas=table.newest_cas)
    return refusal(request, _why_not(request, outcome))


def _put(table: Table, request: Request, value: bytes) -> Outcome:
    flags, exptime = _STORING.unpack(request.extras)
    if request.cas:
        return table.cas(request.key, value, flags, exptime, request.cas)
    if request.command is Opcode.SET:
        return table.set(request.key, value, flags, exptime)
    change = table.add if request.command is Opcode.ADD else table.replace
    return change(request.key, value, flags, exptime)


def _extend(table: Table, request: Request, value: bytes) -> Outcome:
    if _is_another(table, request):
        return Outcome.EXISTS
    change = table.append if request.command is Opcode.APPEND else table.prepend
    return change(request.key, value)


def _why_not(request: Request, outcome: Outcome) -> ReplyStatus:
    if outcome is Outcome.NOT_STORED and request.command is Opcode.ADD:
        return ReplyStatus.EXISTS
    if outcome is Outcome.NOT_STORED and request.command is Opcode.REPLACE:
        return ReplyStatus.NOT_FOUND
    return _NOT_STORED[outcome]


# The rest


def _delete(table: Table, request: Request) -> bytes:
    if _is_another(table, request):
        return refusal(request, ReplyStatus.EXISTS)
    if table.delete(request.key):
        return _done(request)
    return refusal(request, ReplyStatus.NOT_FOUND)


def _count(table: Table, request: Request) -> bytes:
    delta, beginning, exptime = _COUNTING.unpack(request.extras)
    item = table.peek(request.key)
    if item is None and exptime != _NO_BEGINNING:
        return _begin_counting(table, request, beginning, exptime)
    if item is not None and _may_be_number(request.key, item) and _is_another(table, request):
        return refusal(request, ReplyStatus.EXISTS)
    change = table.incr if request.command is Opcode.INCREMENT else table.decr
    number = change(request.key, delta)
    if isinstance(number, Outcome):
        missing = number is Outcome.NOT_FOUND
        return refusal(request, ReplyStatus.NOT_FOUND if missing else ReplyStatus.NON_NUMERIC)
    return _done(request, _NUMBER.pack(number), cas=table.newest_cas)


def _begin_counting(table: Table, request: Request, number: int, exptime: int) -> bytes:
    outcome = table.add(request.key, b"%d" % number, 0, exptime)
    if outcome is Outcome.STORED:
        return _done(request, _NUMBER.pack(number), cas=table.newest_cas)
    return refusal(request, _NOT_STORED[outcome])


def _may_be_number(key: bytes, item: Item) -> bool:
    return bool(item.value) and not is_in_pieces(key, len(item.value), item.flags)


def _flush(table: Table, request: Request) -> bytes:
    table.flush_all(_EXPIRY.unpack(request.extras)[0] if request.extras else 0)
    return _done(request)


def _no_op(table: Table, request: Request) -> bytes:
    return reply(request)


def _unknown(table: Table, request: Request) -> bytes:
    return refusal(request, ReplyStatus.UNKNOWN_COMMAND)


def _is_another(table: Table, request: Request) -> bool:
    """Say whether the item is not the one that ``request`` is about."""
    if not request.cas:
        return False
    item = table.peek(request.key)
    return item is not None and item.cas != request.cas


def _done(request: Request, value: bytes = b"", *, cas: int = 0) -> bytes:
    return b"" if request.quiet else reply(request, value, cas=cas)


Answer = Callable[[Table, Request], bytes]

ANSWERS: Mapping[Opcode | None, Answer] = {
    Opcode.GET: _get,
    Opcode.GETK: _get,
    Opcode.TOUCH: _touch,
    Opcode.GAT: _touch,
    Opcode.GATK: _touch,
    Opcode.DELETE: _delete,
    Opcode.INCREMENT: _count,
    Opcode.DECREMENT: _count,
    Opcode.FLUSH: _flush,
    Opcode.NOOP: _no_op,
    Opcode.SASL_LIST_MECHS: _unknown,
    Opcode.SASL_AUTH: _unknown,
    Opcode.SASL_STEP: _unknown,
    None: _unknown,
}
"""What answers requests that store nothing and do not ask for the server itself."""
