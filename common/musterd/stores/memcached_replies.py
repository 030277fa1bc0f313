"""Replies to a ``get`` of many keys, parsed out of a connection's buffer.

The beats of a block of slots come as blocks of one fixed length::

    VALUE <ns>:b:%08x 0 64\r\n  <64 bytes>  \r\n

so a whole reply is an array with one row per block, and is checked column by column: each is copied
out as bytes and compared with what it must be. Columns are cut to eight bytes where they can be,
which are copied in a third of the time: the two bytes that end a block go with the word that begins
the next, and those of a record's magic with what stands before it.
Where anything breaks the stride, the reply is read again, value by value: slower, and exact.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musterd.beat import MAGIC, SIZE
from musterd.columns import WORDS, Slots, Words, words_in
from musterd.errors import ShardCorrupt, ShardRefused
from musterd.stores.keyed_seats import Block
from musterd.stores.memcached_connection import LINE_LIMIT, VALUE_LIMIT, refusal, shown

END = b"END\r\n"
_HEAD = b"VALUE "
_TAIL = b"0 %d\r\n" % SIZE
_LINE_END = b"\r\n"
_PLAIN = b"%b 0 %d"
_V = _HEAD[0]
_BORDER = _LINE_END + _HEAD
_LAST = _LINE_END + END
_BEGIN = _TAIL + MAGIC.to_bytes(2, "little")
_EIGHT = np.dtype("V8")
assert len(_BORDER) == len(_BEGIN) == _EIGHT.itemsize
_VALUE = re.compile(rb"VALUE ([^ \r\n]+) (\d{1,10}) (\d{1,10})\r\n")

BeatRecords = tuple[Slots, Words, Slots]


class Reply(Protocol):
    """A reply that is being received."""

    def read(self, buffer: memoryview) -> int | None:
        """How many bytes of ``buffer``, which begins with this reply, it takes; None: more to come.

        Raises ShardCorrupt or ShardRefused; then nothing of the connection can be believed.
        """


class ValuesReply:
    """Values of any size: ``values`` by key, and the keys among them whose flags are not 0.

    ``asked`` are the keys, all different, in the order of the command.
    """

    def __init__(self, shard: str, asked: Sequence[bytes]) -> None:
        self._shard = shard
        self._in_order = asked
        self._asked: AbstractSet[bytes] = frozenset()
        self._at = 0
        self.values: dict[bytes, bytes] = {}
        self.flagged: set[bytes] = set()

    def read(self, buffer: memoryview) -> int | None:
        """All at once if it can be, else value by value, on from where the last call stopped."""
        if not self._asked:
            text = bytes(buffer)
            end = text.find(_LAST)
            # An error ends a line, as does an absurd size; few pieces of a good reply end with one.
            if end < 0 and text.startswith(_HEAD) and not text.endswith(_LINE_END):
                return None
            if (size := self._read_whole(text, end)) is not None:
                return size
            self._asked = frozenset(self._in_order)
        return self._read_on(buffer)

    def _read_whole(self, text: bytes, end: int) -> int | None:
        """How many bytes the reply takes, if it has plain values for the first keys up to ``end``."""
        if not text.startswith(_HEAD) or not 0 < end <= VALUE_LIMIT:
            return None
        parts = [part.partition(_LINE_END) for part in text[len(_HEAD) : end].split(_BORDER)]
        heads, _, data = zip(*parts, strict=True)
        sizes = zip(self._in_order, map(len, data), strict=False)
        if heads != tuple(map(_PLAIN.__mod__, sizes)):
            return None
        self.values = dict(zip(self._in_order, data, strict=False))
        return end + len(_LAST)

    def _read_on(self, buffer: memoryview) -> int | None:
        values, asked = self.values, self._asked
        text, before = bytes(buffer[self._at :]), self._at  # values are cut faster out of bytes
        while header := _VALUE.match(text, self._at - before):
            key, flags, digits = header.groups()
            begin, size = header.end(), int(digits)
            end = begin + size
            if size > VALUE_LIMIT or key not in asked or key in values:
                raise self._wrong(key, size)
            if len(text) < end + 2:
                return None
            if text[end : end + 2] != _LINE_END:
                raise ShardCorrupt(self._shard, f"value of {shown(key)} is not {size} bytes long")
            values[key] = text[begin:end]
            if flags != b"0":
                self.flagged.add(key)
            self._at = before + end + 2
        return self._end(buffer)

    def _wrong(self, key: bytes, size: int) -> ShardCorrupt:
        if size > VALUE_LIMIT:
            return ShardCorrupt(self._shard, f"value of {shown(key)} has {size} bytes")
        if key in self.values:
            return ShardCorrupt(self._shard, f"reply with {shown(key)!r} twice")
        return ShardCorrupt(self._shard, f"reply for another key: {shown(key)!r}")

    def _end(self, buffer: memoryview) -> int | None:
        """Where the reply ends, if it does here; None when more is to come."""
        line = self._line(buffer)
        if line is None:
            return None
        if line == END:
            return self._at + len(END)
        if (text := refusal(line)) is not None:
            raise ShardRefused(self._shard, text)
        raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(line)!r}")

    def _line(self, buffer: memoryview) -> bytes | None:
        start = bytes(buffer[self._at : self._at + LINE_LIMIT])
        line, end, _ = start.partition(b"\r\n")
        if end:
            return line + end
        if len(start) == LINE_LIMIT:
            raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(start)!r}")
        return None


class BeatsReply:
    """The beats in the slots of a block; ``result`` is there once the reply was read."""

    result: BeatRecords

    def __init__(self, shard: str, block: Block, key_prefix: bytes) -> None:
        self._shard = shard
        self._block = block
        self._key = len(key_prefix) + 8 + 1  # with the space that follows, there as in the command
        self._key_kind = np.dtype(f"V{self._key}")
        self._record_at = len(_HEAD) + self._key + len(_TAIL)
        self._stride = self._record_at + SIZE + len(_LINE_END)
        self._most = len(block.slots) * self._stride + len(END)
        self._exact: ValuesReply | None = None

    def read(self, buffer: memoryview) -> int | None:
        """By stride while that holds, else value by value."""
        if self._exact is None:
            if len(buffer) < self._most and not self._may_be_all(buffer):
                return None
            count = self._count(buffer)
            end = count * self._stride
            if bytes(buffer[end : end + len(END)]) == END and self._take(buffer, count):
                return end + len(END)
            self._exact = ValuesReply(self._shard, self._block.keys)
        return self._read_exactly(self._exact, buffer)

    def _may_be_all(self, buffer: memoryview) -> bool:
        """Whether the last bytes end a line where no block ends: the stride was broken before."""
        tail = bytes(buffer[-len(END) :])
        in_stride = len(buffer) % self._stride in (0, self._record_at)
        return tail == END or (tail.endswith(_LINE_END) and not in_stride)

    def _count(self, buffer: memoryview) -> int:
        """How many blocks begin as they should before one place does not."""
        if bytes(buffer[self._most - len(END) : self._most]) == END:
            return len(self._block.slots)
        starts = np.frombuffer(buffer, np.uint8)[: self._most : self._stride]
        others = np.flatnonzero(starts != _V)
        return int(others[0]) if len(others) else len(starts)

    def _take(self, buffer: memoryview, count: int) -> bool:
        """Take ``count`` blocks if all of them are what they should be."""
        if not count:
            self.result = (
                self._block.slots[:0],
                np.empty((WORDS, 0), np.uint64),
                self._block.slots[:0],
            )
            return True

        def column(at: int, kind: "np.dtype[np.void]", rows: int) -> NDArray[np.void]:
            return np.ndarray((rows,), kind, buffer, at, (self._stride,))

        after = self._record_at + SIZE
        last = after + (count - 1) * self._stride
        regular = (
            bytes(buffer[: len(_HEAD)]) == _HEAD
            and column(after, _EIGHT, count - 1).tobytes() == _BORDER * (count - 1)
            and bytes(buffer[last : last + len(_LAST)]) == _LAST
            and column(len(_HEAD) + self._key, _EIGHT, count).tobytes() == _BEGIN * count
        )
        slots = self._slots(column(len(_HEAD), self._key_kind, count)) if regular else None
        if slots is None:
            return False
        self.result = slots, words_in(buffer, count, self._record_at, self._stride), slots[:0]
        return True

    def _slots(self, keys: NDArray[np.void]) -> Slots | None:
        """The slots of these keys, ShardCorrupt unless all were asked for; None: not in order."""
        asked, text = self._block.slots, keys.tobytes()
        if text == self._block.text:
            return asked
        digits = np.frombuffer(text, np.uint8).reshape(-1, self._key)[:, -9:-1]
        try:
            slots = np.frombuffer(bytes.fromhex(digits.tobytes().decode()), ">u4").astype(np.int64)
        except ValueError:
            return None
        places = np.searchsorted(asked, slots)
        found = places < len(asked)
        command = np.frombuffer(self._block.text, keys.dtype)
        if not found.all() or command[places].tobytes() != text:
            raise ShardCorrupt(self._shard, "reply with a beat that was not asked for")
        return slots if (np.diff(slots) > 0).all() else None

    def _read_exactly(self, exact: ValuesReply, buffer: memoryview) -> int | None:
        end = exact.read(buffer)
        if end is not None:
            exact.values |= dict.fromkeys(exact.flagged, b"")  # whatever it is, it is no record
            keys = self._block.keys
            self.result = self._block.records([exact.values.get(key) for key in keys])
        return end
