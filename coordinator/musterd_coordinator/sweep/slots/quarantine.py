"""The module counts values of a shard that are not what their keys say, and names each once.

There is one line of the log a sweep. Any client that reaches a store can write anything under any
key. Such a value says nothing, and must cost no other member anything: its reader tells the
quarantine and goes on.
"""

from collections import Counter

import structlog

from musterd_coordinator.sweep.columns import Rejected

log = structlog.get_logger(__name__)

NAMED_AT_ONCE = 5  # keys in the line of a sweep; the others are counted
REMEMBERED = 10_000  # keys that were named; when there are more, they may be named again
TEXT_LIMIT = 200  # characters of what is wrong


class SlotQuarantine:
    """A `SlotQuarantine` counts what one shard's reader refused since the last :meth:`drain`.

    It counts by the fields of Rejected.
    """

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._counts: Counter[str] = Counter()
        self._named: set[bytes] = set()
        self._news = 0  # keys that the next line tells of
        self._first: list[str] = []

    def refuse(self, kind: str, key: bytes, why: str) -> None:
        """Note that the value of ``key`` is no ``kind``, which is a field of Rejected."""
        self._counts[kind] += 1
        if key in self._named:
            return
        if len(self._named) >= REMEMBERED:
            self._named.clear()
        self._named.add(key)
        self._news += 1
        if len(self._first) < NAMED_AT_ONCE:
            self._first.append(f"{kind} {key.decode('ascii', 'replace')}: {shortened(why)}")

    def accept(self, key: bytes) -> None:
        """Note that the value of ``key`` is good: it is named again when it is not."""
        self._named.discard(key)

    def drain(self) -> Rejected:
        """Return what was refused since the last call, and count from zero."""
        if self._news:
            log.warning("values refused", shard=self._shard, count=self._news, first=self._first)
        counts, self._counts = self._counts, Counter()
        self._news, self._first = 0, []
        return Rejected(**counts)


def shortened(text: str) -> str:
    """Return ``text`` with what cannot be printed escaped, and of reasonable length."""
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:TEXT_LIMIT]
    )
    return escaped[:TEXT_LIMIT]
