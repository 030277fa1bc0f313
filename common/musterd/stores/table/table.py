"""The module has a table in memory that behaves as memcached does, without a network.

It is pure and synchronous: time is two callables, and nothing here waits. The embedded store's
server speaks the text protocol over one of these, and ``memory:`` uses one directly.

Memory stays flat without a thread or a timer: an expired item goes when it is looked up, every
write inspects two more items for expiry, and the items used longest ago are evicted at the limit.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf

from musterd.stores.table.items import (
    ITEM_LIMIT,
    UNSIGNED,
    Item,
    Outcome,
    is_in_pieces,
    memcached_size,
    parse_unsigned,
    seconds_left,
    valid_key,
)

__all__ = ["ITEM_OVERHEAD", "MEMORY_LIMIT", "Item", "Outcome", "Table"]

MEMORY_LIMIT = 64 << 20  # bytes of all items, with ITEM_OVERHEAD for each
ITEM_OVERHEAD = 400  # bytes that CPython keeps beside a key's and a value's own; measured

_CRAWL = 2  # items inspected per write
_COUNTERS = (
    *("cmd_get", "cmd_set", "cmd_flush", "cmd_touch", "get_hits", "get_misses", "get_expired"),
    *("delete_misses", "delete_hits", "incr_misses", "incr_hits", "decr_misses", "decr_hits"),
    *("cas_misses", "cas_hits", "cas_badval", "touch_hits", "touch_misses"),
    *("store_too_large", "store_no_memory", "total_items", "evictions", "crawler_reclaimed"),
)


class Table:
    """A ``Table`` has items by key.

    ``memory_limit`` and ``item_limit`` are bytes, exptimes are seconds. An exptime of 0
    never expires, a negative one has expired, one up to 30 days is relative (by ``monotonic``, so a
    stepped clock changes nothing), a greater one is a Unix time (by ``wall``).
    """

    def __init__(
        self,
        memory_limit: int = MEMORY_LIMIT,
        item_limit: int = ITEM_LIMIT,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.memory_limit = memory_limit
        self.item_limit = item_limit
        self.bytes_used = 0
        self._monotonic = monotonic
        self._wall = wall
        self._items: OrderedDict[bytes, Item] = OrderedDict()  # used longest ago first
        self._cas = 0
        self._flush_at = inf
        self._round: Iterator[bytes] = iter(())
        self.reset_stats()

    def __len__(self) -> int:
        """Return how many items there are, with those that expired and were not yet noticed."""
        return len(self._items)

    def get(self, keys: Iterable[bytes], *, room: float = inf) -> list[Item | None]:
        """Return the item of each key in turn, None where there is none.

        Stops after the value that fills ``room`` bytes; the list is then shorter than ``keys``.
        """
        now = self._now()
        items = self._items
        found: list[Item | None] = []
        for key in keys:
            item = items.get(key)
            if item is not None:
                if item.expires > now:
                    items.move_to_end(key)
                    room -= len(item.value)
                else:
                    self._discard(key, "get_expired")
                    item = None
            found.append(item)
            if room <= 0:
                break
        self._tally("cmd_get", "get", found)
        return found

    gets = get  # an Item always has its cas number

    def peek(self, key: bytes) -> Item | None:
        """Return an item that nobody has asked for; so it is not counted, nor used."""
        return self._live(key)

    @property
    def newest_cas(self) -> int:
        """Return the cas number of what was stored last."""
        return self._cas

    def gat(self, exptime: int, keys: Iterable[bytes], *, room: float = inf) -> list[Item | None]:
        """Return what :meth:`get` returns, and let each item found expire anew."""
        expires = self._expiry(exptime)
        found: list[Item | None] = []
        for key in keys:
            item = self._live(key)
            if item is not None:
                item = self._items[key] = Item(item.value, item.flags, item.cas, expires)
                self._items.move_to_end(key)
                room -= len(item.value)
            found.append(item)
            if room <= 0:
                break
        self._tally("cmd_touch", "touch", found)
        return found

    def set(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value, whatever was there. One that is refused for its size removes the old one."""
        if refused := self._check(key, len(value), flags):
            return refused
        return self._put(key, value, flags, self._expiry(exptime))

    def add(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value if there is nothing under this key."""
        if refused := self._check(key, len(value), flags, stale=False):
            return refused
        if self._live(key) is None:
            return self._put(key, value, flags, self._expiry(exptime))
        self._items.move_to_end(key)
        return Outcome.NOT_STORED

    def replace(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value if there is something under this key."""
        if refused := self._check(key, len(value), flags, stale=False):
            return refused
        if self._live(key) is None:
            return Outcome.NOT_STORED
        return self._put(key, value, flags, self._expiry(exptime))

    def append(self, key: bytes, value: bytes) -> Outcome:
        """Lengthen the value at its end; flags and expiry stay."""
        return self._extend(key, value, b"")

    def prepend(self, key: bytes, value: bytes) -> Outcome:
        """Lengthen the value at its beginning; flags and expiry stay."""
        return self._extend(key, b"", value)

    def cas(self, key: bytes, value: bytes, flags: int, exptime: int, unique: int) -> Outcome:
        """Store the value if none was stored since the item with the cas number ``unique`` was read."""
        if refused := self._check(key, len(value), flags, stale=False):
            return refused
        item = self._live(key)
        if item is None:
            self._counters["cas_misses"] += 1
            return Outcome.NOT_FOUND
        if item.cas != unique:
            self._counters["cas_badval"] += 1
            return Outcome.EXISTS
        self._counters["cas_hits"] += 1
        return self._put(key, value, flags, self._expiry(exptime))

    def incr(self, key: bytes, delta: int) -> int | Outcome:
        """Add to a decimal value, modulo 2^64, and return it or why not."""
        return self._count(key, "incr", lambda number: (number + delta) % UNSIGNED)

    def decr(self, key: bytes, delta: int) -> int | Outcome:
        """Subtract from a decimal value, which stops at 0, and return it or why not.

        The stored text does not get shorter.
        """
        return self._count(key, "decr", lambda number: max(number - delta, 0))

    def touch(self, key: bytes, exptime: int) -> bool:
        """Let an item expire anew; return False if there is none."""
        return self.gat(exptime, (key,))[0] is not None

    def delete(self, key: bytes) -> bool:
        """Remove an item; return False if there is none."""
        found = self._live(key) is not None
        if found:
            self._discard(key)
        self._counters["delete_hits" if found else "delete_misses"] += 1
        return found

    def flush_all(self, delay: int = 0) -> None:
        """Remove everything, now or when ``delay`` (an exptime) has passed; the last call counts.

        A delayed flush removes what is there at that moment, whenever it was stored.
        """
        self._counters["cmd_flush"] += 1
        self._flush_at = self._expiry(delay) if delay > 0 else -inf
        self._now()

    def refusal(self, key: bytes, size: int, flags: int = 0) -> Outcome | None:
        """Return why a value of ``size`` bytes cannot be stored under ``key``; None if it can."""
        if not valid_key(key):
            return Outcome.BAD_KEY
        if memcached_size(key, size, flags) > self.item_limit:
            return Outcome.TOO_LARGE
        if len(key) + size + ITEM_OVERHEAD > self.memory_limit:
            return Outcome.NO_MEMORY
        return None

    def refuse(self, key: bytes, refused: Outcome, *, stale: bool) -> None:
        """Count a refusal; ``stale`` removes the old item, which a ``set`` meant to overwrite."""
        if refused is not Outcome.BAD_KEY:
            too_large = refused is Outcome.TOO_LARGE
            self._counters["store_too_large" if too_large else "store_no_memory"] += 1
        if stale:
            self._discard(key)

    def stats(self) -> dict[str, int]:
        """Return counters and gauges by memcached's names."""
        return self._counters | {
            "curr_items": len(self._items),
            "bytes": self.bytes_used,
            "limit_maxbytes": self.memory_limit,
        }

    def reset_stats(self) -> None:
        """Set every counter to 0."""
        self._counters = dict.fromkeys(_COUNTERS, 0)

    def _tally(self, command: str, verb: str, found: list[Item | None]) -> None:
        misses = found.count(None)
        self._counters[command] += len(found)
        self._counters[f"{verb}_hits"] += len(found) - misses
        self._counters[f"{verb}_misses"] += misses

    def _now(self) -> float:
        now = self._monotonic()
        if now >= self._flush_at:
            self._flush_at = inf
            self._items.clear()
            self.bytes_used = 0
        return now

    def _expiry(self, exptime: int) -> float:
        return self._monotonic() + seconds_left(exptime, self._wall)

    def _live(self, key: bytes) -> Item | None:
        now = self._now()
        item = self._items.get(key)
        if item is None or item.expires > now:
            return item
        self._discard(key, "get_expired")
        return None

    def _discard(self, key: bytes, counter: str | None = None) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self.bytes_used -= len(key) + len(item.value) + ITEM_OVERHEAD
        if counter is not None:
            self._counters[counter] += 1

    def _check(self, key: bytes, size: int, flags: int, *, stale: bool = True) -> Outcome | None:
        self._crawl(self._now())
        if refused := self.refusal(key, size, flags):
            self.refuse(key, refused, stale=stale)
        else:
            self._counters["cmd_set"] += 1
        return refused

    def _put(self, key: bytes, value: bytes, flags: int, expires: float) -> Outcome:
        self._discard(key)
        self._cas += 1
        self._items[key] = Item(value, flags, self._cas, expires)
        self.bytes_used += len(key) + len(value) + ITEM_OVERHEAD
        self._counters["total_items"] += 1
        while self.bytes_used > self.memory_limit:
            self._discard(next(iter(self._items)), "evictions")
        return Outcome.STORED

    def _extend(self, key: bytes, after: bytes, before: bytes) -> Outcome:
        if refused := self._check(key, len(after) + len(before), 0, stale=False):
            return refused
        item = self._live(key)
        if item is None:
            return Outcome.NOT_STORED
        value = before + item.value + after
        if self.refusal(key, len(value), item.flags):
            return Outcome.NOT_STORED
        return self._put(key, value, item.flags, item.expires)

    def _count(self, key: bytes, verb: str, change: Callable[[int], int]) -> int | Outcome:
        item = self._live(key)
        if item is None:
            self._counters[f"{verb}_misses"] += 1
            return Outcome.NOT_FOUND
        in_pieces = is_in_pieces(key, len(item.value), item.flags)
        number = None if in_pieces else parse_unsigned(item.value)
        if number is None:
            return Outcome.NON_NUMERIC
        self._counters[f"{verb}_hits"] += 1
        number = change(number)
        self._put(key, (b"%d" % number).ljust(len(item.value)), item.flags, item.expires)
        return number

    def _crawl(self, now: float) -> None:
        keys = list(islice(self._round, _CRAWL))
        if not keys:
            self._round = iter(list(self._items))
        for key in keys:
            item = self._items.get(key)
            if item is not None and item.expires <= now:
                self._discard(key, "crawler_reclaimed")
