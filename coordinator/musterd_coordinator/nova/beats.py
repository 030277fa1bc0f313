"""A value is recognised as what a service of Nova writes of itself, whatever client wrote it.

That is a pickle of a ``CachedValue`` with a datetime in it, of protocol 0 to 5, perhaps compressed.
Nothing of a pickle from a network is trusted: it is short, has no instructions but those of plain
data, and knows no other names than the four it needs, each of which stands for something harmless.
"""

import pickle
import pickletools
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple

PICKLED, COMPRESSED = 1, 8
"""Flags of python-memcached, pymemcache and python-binary-memcached."""

LONGEST = 512
"""Bytes of such a value. The longest, of protocol 0, has about 240."""

_MOST_NOTES = 64  # of what is referred to again: a pickle's own number makes room for as many
_PLAIN = (
    *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "PUT", "BINPUT", "GET", "BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ"),
    *("TUPLE", "TUPLE1", "TUPLE2", "DICT", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("FLOAT", "BINFLOAT", "INT", "BININT1"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES"),
)
_OPCODES = {
    opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes if opcode.name in _PLAIN
}
_NOTING = frozenset(("PUT", "BINPUT"))
_WRONG = (
    *(pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError),
    *(EOFError, OverflowError, zlib.error),
)


class _Cached(NamedTuple):
    """A `_Cached` stands for dogpile.cache's ``CachedValue``."""

    payload: object
    metadata: object


def is_beat(flags: int, value: bytes) -> bool:
    """Say whether ``value``, stored with ``flags``, is what a service writes of itself."""
    if not flags & PICKLED or flags & ~(PICKLED | COMPRESSED):
        return False
    try:
        text = _plain(value) if flags & COMPRESSED else value
        if len(text) > LONGEST or b"CachedValue" not in text or not _is_harmless(text):
            return False
        cached = _Reader(BytesIO(text)).load()
    except _WRONG:
        return False
    return isinstance(cached, _Cached) and isinstance(cached.payload, datetime)


def _plain(value: bytes) -> bytes:
    return zlib.decompressobj().decompress(value, LONGEST + 1)


def _is_harmless(text: bytes) -> bool:
    stream = BytesIO(text)
    while code := stream.read(1):
        opcode = _OPCODES.get(code)
        if opcode is None:
            return False
        argument = _argument(opcode, stream)
        if opcode.name in _NOTING and not 0 <= argument < _MOST_NOTES:
            return False
        if opcode.name == "STOP":
            return True
    return False


def _argument(opcode: pickletools.OpcodeInfo, stream: BytesIO) -> Any:
    if opcode.name == "GLOBAL":  # two lines: its own reader warns of what pickle takes as it is
        return stream.readline(), stream.readline()
    return None if opcode.arg is None else opcode.arg.reader(stream)


def _rebuilt(kind: type[_Cached], base: type, parts: Sequence[object]) -> _Cached:
    """Do as ``copyreg._reconstructor`` does for a tuple: protocols 0 and 1 have it so."""
    if kind is not _Cached or base is not tuple:
        raise pickle.UnpicklingError
    return _Cached(*parts)


def _encoded(text: str, how: str) -> bytes:
    """Do as ``_codecs.encode`` does: protocols 0 to 2 have bytes so."""
    return text.encode("latin-1")


_NAMES: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("dogpile.cache.api", "CachedValue"): _Cached,
    ("datetime", "datetime"): datetime,
    ("copy_reg", "_reconstructor"): _rebuilt,  # protocols 0 to 2 have Python 2's names
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): _encoded,
}


class _Reader(pickle.Unpickler):
    """A `_Reader` knows :data:`_NAMES`, and nothing else by name."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return what a name stands for; raise UnpicklingError for any other."""
        found = _NAMES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError
        return found
