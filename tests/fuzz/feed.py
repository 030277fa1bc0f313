"""Bytes of a fuzzer, spent one decision at a time; when they are spent, every answer is 0 or empty."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


class Feed:
    """What is left of ``data``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, below: int) -> int:
        """A number from 0."""
        width = max(1, (below - 1).bit_length() + 7 >> 3)
        return int.from_bytes(self.take(width), "little") % below

    def take(self, size: int) -> bytes:
        """So many bytes, or as many as there are."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def text(self, most: int) -> bytes:
        """Up to so many bytes."""
        return self.take(self.number(most + 1))

    def one_of(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.number(len(choices))]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))

    def parts(self, data: bytes) -> list[bytes]:
        """``data`` cut in a few places."""
        cuts = sorted(self.number(len(data) + 1) for _ in range(self.number(6)))
        edges = [0, *cuts, len(data)]
        return [data[begin:end] for begin, end in pairwise(edges)]
