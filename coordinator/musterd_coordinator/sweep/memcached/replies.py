r"""The module parses replies to a ``get`` of many keys out of a connection's buffer.

The beats of a block of slots come as blocks of one fixed length::

    VALUE <ns>:b:%08x 0 64\r\n  <64 bytes>  \r\n

so a whole reply is an array with one row per block, and is checked column by column: each is copied
out as bytes and compared with what it must be. Columns are cut to eight bytes where they can be,
which are copied in a third of the time: the two bytes that end a block go with the word that begins
the next, and those of a record's magic with what stands before it. Where anything breaks the
stride, the reply is read again, value by value: slower, and exact.
"""

import numpy as np
from numpy.typing import NDArray

from musterd.beat import MAGIC, SIZE
from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.columns import Slots, Words, words_in
from musterd_coordinator.sweep.memcached.values import (
    BORDER,
    END,
    HEAD,
    LAST,
    LINE_END,
    ValuesReply,
)
from musterd_coordinator.sweep.slots.slotmap import Block

_TAIL = b"0 %d\r\n" % SIZE
_V = HEAD[0]
_BEGIN = _TAIL + MAGIC.to_bytes(2, "little")
_EIGHT = np.dtype("V8")
assert len(BORDER) == len(_BEGIN) == _EIGHT.itemsize

BeatRecords = tuple[Slots, Words, Slots]


class BeatsReply:
    """A `BeatsReply` brings the beats in a block's slots; ``result`` is there once it was read."""

    result: BeatRecords
    oversized: list[bytes]

    def __init__(self, shard: str, block: Block, key_prefix: bytes) -> None:
        self._shard = shard
        self._block = block
        self._key = len(key_prefix) + 8 + 1  # with the space that follows, there as in the command
        self._key_kind = np.dtype(f"V{self._key}")
        self._record_at = len(HEAD) + self._key + len(_TAIL)
        self._stride = self._record_at + SIZE + len(LINE_END)
        self._most = len(block.slots) * self._stride + len(END)
        self._exact: ValuesReply | None = None
        self.oversized = []

    def parse(self, buffer: memoryview) -> tuple[int, bool]:
        """Read by stride while that holds, else value by value."""
        if self._exact is None:
            if len(buffer) < self._most and not self._may_be_all(buffer):
                return 0, False
            count = self._count(buffer)
            end = count * self._stride
            if bytes(buffer[end : end + len(END)]) == END and self._accept(buffer, count):
                return end + len(END), True
            self._exact = ValuesReply(self._shard, self._block.keys, SIZE)
            self.oversized = self._exact.oversized
        return self._read_exactly(self._exact, buffer)

    def _may_be_all(self, buffer: memoryview) -> bool:
        """Say whether the last bytes end a line where no block ends: the stride was broken before."""
        tail = bytes(buffer[-len(END) :])
        in_stride = len(buffer) % self._stride in (0, self._record_at)
        return tail == END or (tail.endswith(LINE_END) and not in_stride)

    def _count(self, buffer: memoryview) -> int:
        """Count the blocks that begin as they should before one place does not."""
        if bytes(buffer[self._most - len(END) : self._most]) == END:
            return len(self._block.slots)
        starts = np.frombuffer(buffer, np.uint8)[: self._most : self._stride]
        others = np.flatnonzero(starts != _V)
        return int(others[0]) if len(others) else len(starts)

    def _accept(self, buffer: memoryview, count: int) -> bool:
        """Take ``count`` blocks if all of them are what they should be."""
        if not count:
            self.result = (
                self._block.slots[:0],
                np.empty((self._block.words, 0), np.uint64),
                self._block.slots[:0],
            )
            return True

        def column(at: int, kind: "np.dtype[np.void]", rows: int) -> NDArray[np.void]:
            return np.ndarray((rows,), kind, buffer, at, (self._stride,))

        after = self._record_at + SIZE
        last = after + (count - 1) * self._stride
        regular = (
            bytes(buffer[: len(HEAD)]) == HEAD
            and column(after, _EIGHT, count - 1).tobytes() == BORDER * (count - 1)
            and bytes(buffer[last : last + len(LAST)]) == LAST
            and column(len(HEAD) + self._key, _EIGHT, count).tobytes() == _BEGIN * count
        )
        slots = self._slots(column(len(HEAD), self._key_kind, count)) if regular else None
        if slots is None:
            return False
        at, stride = self._record_at, self._stride
        self.result = slots, words_in(buffer, count, at, stride, self._block.words), slots[:0]
        return True

    def _slots(self, keys: NDArray[np.void]) -> Slots | None:
        """Return the slots of these keys, or None if they are not in order.

        Raises ShardCorrupt unless all were asked for.
        """
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

    def _read_exactly(self, exact: ValuesReply, buffer: memoryview) -> tuple[int, bool]:
        taken, whole = exact.parse(buffer)
        if whole:
            exact.values |= dict.fromkeys(exact.flagged, b"")  # whatever it is, it is no record
            keys = self._block.keys
            self.result = self._block.records([exact.values.get(key) for key in keys])
        return taken, whole
