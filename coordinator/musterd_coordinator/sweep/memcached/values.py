"""The module reads a reply to a ``get`` of a few keys: all at once, or value by value.

It reads out of a connection's buffer. Any client may have stored anything under the keys, and the
server may be no memcached at all. So a reply is bounded by what was asked for; values that are
larger than any of ours are not kept, and named.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from musterd.errors import ShardCorrupt, ShardRefused
from musterd.stores.memcached.connection import LINE_LIMIT, VALUE_LIMIT, refusal, shown
from musterd.stores.slots.protocol import HOLDER_LIMIT

END = b"END\r\n"
HEAD = b"VALUE "
LINE_END = b"\r\n"
BORDER = LINE_END + HEAD
LAST = LINE_END + END
AT_ONCE = 512 << 10  # bytes of a reply that is waited for; a longer one is read as it comes
SLACK = 64 << 10  # bytes of a reply beyond one and a half times what was asked for

_PLAIN = b"%b 0 %d"
_HEADER = 40  # bytes of a value's line besides its key, at most
_VALUE = re.compile(rb"VALUE ([^ \r\n]+) (\d{1,10}) (\d{1,10})\r\n")


class ReplyTooLong(ShardCorrupt):
    """A reply was cut off: it would have been longer than what was asked for can be."""


class BulkReply(Protocol):
    """A `BulkReply` is being received. ``oversized`` are the keys of values that were not kept."""

    oversized: list[bytes]

    def parse(self, buffer: memoryview) -> tuple[int, bool]:
        """Return how many bytes of ``buffer`` this reply takes, and whether that is the rest of it.

        ``buffer`` begins with what is left of the reply. Raises ShardCorrupt or ShardRefused; then
        nothing of the connection can be believed.
        """


class ValuesReply:
    """A `ValuesReply` brings values of any size: ``values`` by key, and ``flagged`` keys.

    Those are the keys with flags that are not 0. ``asked`` are the keys, all different, in the
    order of the command; ``usual`` is the most bytes that a value of theirs should have.
    """

    def __init__(self, shard: str, asked: Sequence[bytes], usual: int = HOLDER_LIMIT) -> None:
        self._shard = shard
        self._in_order = asked
        self._asked: AbstractSet[bytes] = frozenset()
        keys = sum(map(len, asked))
        self._room = (keys + len(asked) * (_HEADER + usual)) * 3 // 2 + SLACK
        self._skip = 0  # bytes still to come of a value that is not kept
        self.values: dict[bytes, bytes] = {}
        self.flagged: set[bytes] = set()
        self.oversized: list[bytes] = []

    def parse(self, buffer: memoryview) -> tuple[int, bool]:
        """Read all at once if that can be, else value by value, as they come."""
        if not self._asked:
            text = bytes(buffer)
            end = text.find(LAST)
            if end < 0 and self._may_come_whole(text):
                return 0, False
            if (size := self._read_whole(text, end)) is not None:
                return size, True
            self._asked = frozenset(self._in_order)
        taken, whole = self._read_on(buffer)
        self._room -= taken
        return taken, whole

    def _may_come_whole(self, text: bytes) -> bool:
        """Say whether ``text`` may be the beginning of a good reply that is still to come whole.

        An error ends a line, as does an absurd size; few pieces of a good reply end with one.
        """
        waits = len(text) < min(AT_ONCE, self._room)
        return waits and text.startswith(HEAD) and not text.endswith(LINE_END)

    def _read_whole(self, text: bytes, end: int) -> int | None:
        """Return the size of the reply if it has plain values for the first keys up to ``end``."""
        if not text.startswith(HEAD) or not 0 < end <= min(AT_ONCE, self._room):
            return None
        parts = [part.partition(LINE_END) for part in text[len(HEAD) : end].split(BORDER)]
        heads, _, data = zip(*parts, strict=True)
        sizes = zip(self._in_order, map(len, data), strict=False)
        if heads != tuple(map(_PLAIN.__mod__, sizes)) or max(map(len, data)) > VALUE_LIMIT:
            return None
        self.values = dict(zip(self._in_order, data, strict=False))
        return end + len(LAST)

    def _read_on(self, buffer: memoryview) -> tuple[int, bool]:
        at = self._pass_over(0, len(buffer))
        text = bytes(buffer)  # values are cut faster out of bytes
        while not self._skip and (header := _VALUE.match(text, at)):
            key, flags, digits = header.groups()
            begin, size = header.end(), int(digits)
            self._check(key, size, self._room - begin)
            end = begin + size
            if size > VALUE_LIMIT:
                self._skip = size + len(LINE_END)
                at = self._pass_over(begin, len(text))
                continue
            if len(text) < end + 2:
                return at, False
            if text[end : end + 2] != LINE_END:
                raise ShardCorrupt(self._shard, f"value of {shown(key)} is not {size} bytes long")
            self.values[key] = text[begin:end]
            if flags != b"0":
                self.flagged.add(key)
            at = end + 2
        return (at, False) if self._skip else self._end(text, at)

    def _pass_over(self, at: int, end: int) -> int:
        """Return where a value that is not kept ends, or the text before it does."""
        passed = min(self._skip, end - at)
        self._skip -= passed
        return at + passed

    def _check(self, key: bytes, size: int, room: int) -> None:
        """Refuse a value that was not asked for; note one that is not kept."""
        if key in self.values or key in self.oversized:
            raise ShardCorrupt(self._shard, f"reply with {shown(key)!r} twice")
        if key not in self._asked:
            raise ShardCorrupt(self._shard, f"reply for another key: {shown(key)!r}")
        if size > min(VALUE_LIMIT, room):
            self.oversized.append(key)
        if size > room:
            raise ReplyTooLong(self._shard, f"value of {shown(key)} has {size} bytes: cut off")

    def _end(self, text: bytes, at: int) -> tuple[int, bool]:
        """Return where the reply ends, if it does here."""
        line, end, _ = text[at : at + LINE_LIMIT].partition(LINE_END)
        if not end:
            if len(line) == LINE_LIMIT:
                raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(line)!r}")
            return at, False
        if line + end == END:
            return at + len(END), True
        if (refused := refusal(line + end)) is not None:
            raise ShardRefused(self._shard, refused)
        raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(line + end)!r}")
