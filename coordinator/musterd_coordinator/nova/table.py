"""The table is the memcached that Nova sees: verdicts under the keys of services, a cache under others."""

from collections.abc import Iterable
from math import inf

from musterd.stores.table.items import Item, Outcome
from musterd.stores.table.table import Table
from musterd_coordinator.nova.answers import Answers


class NovaTable(Table):
    """A `NovaTable` answers for services by ``answers``, and keeps all else as any table does.

    Nothing that a client does, ``flush_all`` and ``delete`` included, changes a verdict.
    """

    def __init__(self, answers: Answers, memory_limit: int) -> None:
        super().__init__(memory_limit)
        self._answers = answers

    def get(self, keys: Iterable[bytes], *, room: float = inf) -> list[Item | None]:
        """Return the item of each key in turn, None where there is none."""
        keys = list(keys)
        services = sum(map(self._answers.has, keys))
        if not services:
            return super().get(keys, room=room)
        if len(keys) == services == 1:  # as Nova asks
            return [self._answers.item(keys[0])]
        found: list[Item | None] = []
        for key in keys:
            mine = self._answers.has(key)
            item = self._answers.item(key) if mine else super().get((key,))[0]
            found.append(item)
            room -= len(item.value) if item is not None else 0
            if room <= 0:
                break
        return found

    gets = get

    def peek(self, key: bytes) -> Item | None:
        """Return an item that nobody has asked for."""
        return self._answers.item(key) if self._answers.has(key) else super().peek(key)

    def gat(self, exptime: int, keys: Iterable[bytes], *, room: float = inf) -> list[Item | None]:
        """Return what :meth:`get` returns, and let what is no verdict expire anew."""
        keys = list(keys)
        super().gat(exptime, [key for key in keys if not self._answers.has(key)])
        return self.get(keys, room=room)

    def set(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value, or take it for the beat of a service that writes of itself."""
        if self._answers.accept(key, flags, value):
            return Outcome.STORED
        return super().set(key, value, flags, exptime)

    def add(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value if there is nothing under this key."""
        if self._answers.has(key):
            return Outcome.NOT_STORED
        return super().add(key, value, flags, exptime)

    def replace(self, key: bytes, value: bytes, flags: int = 0, exptime: int = 0) -> Outcome:
        """Store the value if there is something under this key."""
        if self._answers.has(key):
            return self.set(key, value, flags, exptime)
        return super().replace(key, value, flags, exptime)

    def append(self, key: bytes, value: bytes) -> Outcome:
        """Lengthen the value at its end."""
        return Outcome.NOT_STORED if self._answers.has(key) else super().append(key, value)

    def prepend(self, key: bytes, value: bytes) -> Outcome:
        """Lengthen the value at its beginning."""
        return Outcome.NOT_STORED if self._answers.has(key) else super().prepend(key, value)

    def cas(self, key: bytes, value: bytes, flags: int, exptime: int, unique: int) -> Outcome:
        """Store the value if none was stored since the item with the cas number ``unique`` was read."""
        if self._answers.has(key):
            return Outcome.EXISTS
        return super().cas(key, value, flags, exptime, unique)

    def incr(self, key: bytes, delta: int) -> int | Outcome:
        """Add to a decimal value, which no verdict is."""
        return Outcome.NON_NUMERIC if self._answers.has(key) else super().incr(key, delta)

    def decr(self, key: bytes, delta: int) -> int | Outcome:
        """Subtract from a decimal value, which no verdict is."""
        return Outcome.NON_NUMERIC if self._answers.has(key) else super().decr(key, delta)

    def delete(self, key: bytes) -> bool:
        """Remove an item that is no verdict; return False if there is none."""
        return False if self._answers.has(key) else super().delete(key)
