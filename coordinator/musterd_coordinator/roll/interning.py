"""The module numbers things that many share, such as the zone of a thousand members."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Interner(Generic[K]):
    """An `Interner` numbers keys from 0 up; numbers are kept while held, and then used again."""

    def __init__(self) -> None:
        self._numbers: dict[K, int] = {}
        self._keys: list[K] = []
        self._holders: list[int] = []  # by number
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def acquire(self, key: K, holders: int = 1) -> int:
        """Return the number of ``key``, the same while held; each of ``holders`` releases it."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._new(key)
        self._holders[number] += holders
        return number

    def release(self, number: int) -> bool:
        """Release ``number`` for one holder, and say whether there is none left."""
        self._holders[number] -= 1
        if self._holders[number]:
            return False
        del self._numbers[self._keys[number]]
        self._free.append(number)
        return True

    def number(self, key: K) -> int | None:
        """Return the number of ``key``; None: nothing holds it."""
        return self._numbers.get(key)

    def key(self, number: int) -> K:
        """Return the key of ``number``."""
        return self._keys[number]

    def _new(self, key: K) -> int:
        if self._free:
            number = self._free.pop()
            self._keys[number] = key
            return number
        self._keys.append(key)
        self._holders.append(0)
        return len(self._keys) - 1
