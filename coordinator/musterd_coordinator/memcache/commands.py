"""The module does to a table what each command of memcached's text protocol says, and answers it.

Replies are those of memcached 1.6.18 to the byte (``doc/protocol.txt``, and its source where that
is silent), with two exceptions: a key with control characters is refused, as the protocol's text
has it, and so is a number too large for its field, which memcached cuts to its lowest 32 bits.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from musterd.stores.table.items import KEY_LIMIT, Item, Outcome, parse_integer, parse_unsigned
from musterd.stores.table.table import Table

GETS = frozenset((b"get", b"gets", b"gat", b"gats"))
PLAIN_GETS = frozenset((b"get", b"gets"))
STORES = frozenset((b"set", b"add", b"replace", b"append", b"prepend", b"cas"))
PART = 1 << 16  # bytes of keys looked up, and of values returned, in one part of a long answer

END = b"END\r\n"
ERROR = b"ERROR\r\n"
BAD_FORMAT = Outcome.BAD_KEY + b"\r\n"

_OK = b"OK\r\n"
_NOT_FOUND = b"NOT_FOUND\r\n"
_BAD_EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
_BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
_BAD_DELETE = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"

_UINT32 = (1 << 32) - 1
_INT32 = (1 << 31) - 1
_INT64 = (1 << 63) - 1


class PendingReply:
    """A `PendingReply` is an outcome that is not known when the data has come; it is resolved once.

    ``abandoned`` is set when nothing waits for it any more.
    """

    __slots__ = ("abandoned", "outcome", "wake")

    def __init__(self) -> None:
        self.outcome: bytes | None = None
        self.wake: Callable[[], None] | None = None  # called when it is resolved
        self.abandoned = False

    @property
    def size(self) -> int:
        """Return how many bytes are held until it is known."""
        return 0

    @property
    def lets_pass(self) -> bool:
        """Say whether the commands that follow may be looked at before it is known."""
        return False

    def resolve(self, outcome: bytes) -> None:
        """Set the outcome, known now: replies, without the last one's line end."""
        self.outcome = outcome
        if self.wake is not None:
            self.wake()


Store = Callable[[bytes], "bytes | PendingReply"]
"""Takes the data of a storage command; the reply without its line end."""


class Upload(NamedTuple):
    """An `Upload` is a storage command that waits for ``size`` bytes of data and a line end."""

    size: int
    store: Store


class Refusal(NamedTuple):
    """A `Refusal` is a storage command that failed at once; skip the ``size`` bytes after it."""

    reply: bytes
    size: int = 0


# Reading


def answer_get(table: Table, verb: bytes, rest: bytes) -> Iterator[bytes]:
    """Return the reply to a get, gets, gat or gats in parts of bounded size.

    Each part looks its keys up when it is asked for, so that an answer that is read slowly keeps no
    value alive.
    """
    rest = rest.strip(b" ")
    if not rest:
        return iter((ERROR,))
    fetch: Callable[[list[bytes]], list[Item | None]] = partial(table.get, room=PART)
    if verb.startswith(b"gat"):
        word, _, rest = rest.partition(b" ")
        exptime = parse_integer(word, -_INT64, _INT64)
        if exptime is None:
            return iter((_BAD_EXPTIME,))
        fetch = partial(table.gat, exptime, room=PART)
    return _answer(fetch, rest, _line_with_cas if verb.endswith(b"s") else _line)


def answer_one(table: Table, verb: bytes, key: bytes) -> bytes:
    """Return the whole reply to a get or gets of one key: the usual case, in a third of the time."""
    if len(key) > KEY_LIMIT:
        return BAD_FORMAT
    [item] = table.get((key,))
    if item is None:
        return END
    return (_line_with_cas if verb == b"gets" else _line)(key, item) + END


def _answer(
    fetch: Callable[[list[bytes]], list[Item | None]],
    text: bytes,
    line: Callable[[bytes, Item], bytes],
) -> Iterator[bytes]:
    for keys in _split(text):
        if max(map(len, keys), default=0) > KEY_LIMIT:
            yield BAD_FORMAT
            return
        rest = keys
        while rest:
            items = fetch(rest)
            found = zip(rest, items, strict=False)
            lines = [line(key, item) for key, item in found if item is not None]
            rest = rest[len(items) :]
            del items, found
            yield b"".join(lines)
    yield END


def _split(text: bytes) -> Iterator[list[bytes]]:
    start = 0
    while start < len(text):
        end = text.find(b" ", start + PART)
        end = len(text) if end < 0 else end
        yield [key for key in text[start:end].split(b" ") if key]
        start = end + 1


def _line(key: bytes, item: Item) -> bytes:
    return b"VALUE %b %d %d\r\n%b\r\n" % (key, item.flags, len(item.value), item.value)


def _line_with_cas(key: bytes, item: Item) -> bytes:
    size = len(item.value)
    return b"VALUE %b %d %d %d\r\n%b\r\n" % (key, item.flags, size, item.cas, item.value)


# Storing


class StoreCommand(NamedTuple):
    """A `StoreCommand` is the line of a storage command, with a key and numbers that are good."""

    verb: bytes
    key: bytes
    flags: int
    exptime: int
    unique: int


class StoreHook(Protocol):
    """A `StoreHook` stores what commands bring, where that is not to go into the table."""

    def storer(self, command: StoreCommand) -> Store | None:
        """Return what takes the data of this command; None: the table."""

    def glance(self, data: bytes) -> PendingReply | None:
        """Return the outcome of what is one whole command for this storekeeper, as it came.

        None, and nothing done, for anything less usual.
        """

    def glance_at_run(self, data: bytearray) -> tuple[PendingReply, int] | None:
        """Return the outcome of several such commands with which ``data`` begins, and their length.

        None, and nothing done, where there are none.
        """


def begin_store(
    table: Table, verb: bytes, words: list[bytes], storekeeper: StoreHook | None = None
) -> Upload | Refusal:
    """Judge the line of a storage command before its data comes."""
    flags = parse_integer(words[1], 0, _UINT32)
    exptime = parse_integer(words[2], -_INT64, _INT64)
    size = parse_integer(words[3], 0, _INT32 - 2)
    unique = parse_unsigned(words[4]) if verb == b"cas" else 0
    if flags is None or exptime is None or size is None or unique is None:
        return Refusal(BAD_FORMAT)
    key = words[0]
    refused = table.refusal(key, size, flags)
    if refused is None:
        command = StoreCommand(verb, key, flags, exptime, unique)
        elsewhere = storekeeper.storer(command) if storekeeper is not None else None
        return Upload(size, elsewhere or _into(table, command))
    table.refuse(key, refused, stale=verb == b"set")
    # A bad key's data is taken for commands, as memcached does up to 1.6.39.
    return Refusal(refused + b"\r\n", 0 if refused is Outcome.BAD_KEY else size + 2)


def _into(table: Table, command: StoreCommand) -> Store:
    verb, key, flags, exptime, unique = command
    match verb:
        case b"append":
            return lambda value: table.append(key, value)
        case b"prepend":
            return lambda value: table.prepend(key, value)
        case b"cas":
            return lambda value: table.cas(key, value, flags, exptime, unique)
        case b"add":
            return lambda value: table.add(key, value, flags, exptime)
        case b"replace":
            return lambda value: table.replace(key, value, flags, exptime)
        case _:
            return lambda value: table.set(key, value, flags, exptime)


# Commands of one line


def _incr(table: Table, words: list[bytes]) -> bytes:
    return _count(words, table.incr)


def _decr(table: Table, words: list[bytes]) -> bytes:
    return _count(words, table.decr)


def _count(words: list[bytes], change: Callable[[bytes, int], int | Outcome]) -> bytes:
    delta = parse_unsigned(words[1])
    if delta is None:
        return _BAD_DELTA
    result = change(words[0], delta)
    return result + b"\r\n" if isinstance(result, Outcome) else b"%d\r\n" % result


def _touch(table: Table, words: list[bytes]) -> bytes:
    exptime = parse_integer(words[1], -_INT64, _INT64)
    if exptime is None:
        return _BAD_EXPTIME
    return b"TOUCHED\r\n" if table.touch(words[0], exptime) else _NOT_FOUND


def _delete(table: Table, words: list[bytes]) -> bytes:
    if words[1:] not in ([], [b"0"], [b"noreply"], [b"0", b"noreply"]):
        return _BAD_DELETE
    return b"DELETED\r\n" if table.delete(words[0]) else _NOT_FOUND


def _flush_all(table: Table, words: list[bytes]) -> bytes:
    delay: int | None = 0
    if words and words != [b"noreply"]:
        delay = parse_integer(words[0], -_INT64, _INT64)
    if delay is None:
        return _BAD_EXPTIME
    table.flush_all(delay)
    return _OK


def _verbosity(_table: Table, words: list[bytes]) -> bytes:
    return BAD_FORMAT if parse_integer(words[0], 0, _UINT32) is None else _OK


def _meta_no_op(_table: Table, _words: list[bytes]) -> bytes:
    return b"MN\r\n"


def _cache_memlimit(_table: Table, words: list[bytes]) -> bytes:
    """Tell a client that tunes memcached that all is well: the limit is the coordinator's."""
    return BAD_FORMAT if parse_integer(words[0], 0, _UINT32) is None else _OK


class _Command(NamedTuple):
    run: Callable[[Table, list[bytes]], bytes]
    words: range  # how many may follow the verb
    keys: int  # how many of them are keys


_COMMANDS = {
    b"incr": _Command(_incr, range(2, 4), 1),
    b"decr": _Command(_decr, range(2, 4), 1),
    b"touch": _Command(_touch, range(2, 4), 1),
    b"delete": _Command(_delete, range(1, 4), 1),
    b"flush_all": _Command(_flush_all, range(3), 0),
    b"verbosity": _Command(_verbosity, range(1, 3), 0),
    b"cache_memlimit": _Command(_cache_memlimit, range(1, 3), 0),
    b"mn": _Command(_meta_no_op, range(3), 0),
}


def run(table: Table, verb: bytes, words: list[bytes]) -> bytes | None:
    """Return the reply to a command of one line, empty under ``noreply``; None: no such verb."""
    command = _COMMANDS.get(verb)
    if command is None:
        return None
    if len(words) not in command.words:
        return ERROR
    too_long = any(len(key) > KEY_LIMIT for key in words[: command.keys])
    reply = BAD_FORMAT if too_long else command.run(table, words)
    return b"" if b"noreply" in words[command.keys :][-1:] else reply
