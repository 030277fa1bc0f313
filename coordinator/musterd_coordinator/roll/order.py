"""The module keeps the names of a group in order, from when they are first asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.steps import Steps

Places = NDArray[np.int64]

BLOCK = 1000
"""Names in a block, on average; twice as many are cut in two."""

SAMPLES = 8
"""Names that are looked at for each block, to make blocks about as large as each other."""

_NONE = np.zeros(0, np.int64)


class SortedNames:
    """A `SortedNames` has different names as bytes, in order, in blocks short enough to be moved.

    ``block`` is how many names a block has on average.
    """

    def __init__(self, block: int = BLOCK) -> None:
        self._most = 2 * block
        self._blocks: list[list[bytes]] = [[]]
        self._firsts: list[bytes] = [b""]  # of each block, or the least that may be put into it

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, name: bytes) -> None:
        """Put ``name`` in, if it is not in."""
        at = self._block(name)
        block = self._blocks[at]
        place = bisect_left(block, name)
        if place < len(block) and block[place] == name:
            return
        block.insert(place, name)
        if len(block) > self._most:
            self._cut(at)

    def discard(self, name: bytes) -> None:
        """Take ``name`` out, if it is in."""
        at = self._block(name)
        block = self._blocks[at]
        place = bisect_left(block, name)
        if place == len(block) or block[place] != name:
            return
        del block[place]
        if not block and at:
            del self._blocks[at], self._firsts[at]

    def after(self, name: bytes, most: int) -> list[bytes]:
        """Return the first names greater than ``name``, at most ``most`` of them."""
        at = self._block(name)
        place = bisect_right(self._blocks[at], name)
        found = self._blocks[at][place : place + most]
        while len(found) < most and (at := at + 1) < len(self._blocks):
            found += self._blocks[at][: most - len(found)]
        return found

    def before(self, name: bytes, most: int) -> list[bytes]:
        """Return the last names less than ``name``, at most ``most`` of them, backwards; empty: of all."""
        at = self._block(name) if name else len(self._blocks) - 1
        block = self._blocks[at]
        place = bisect_left(block, name) if name else len(block)
        found = block[max(0, place - most) : place][::-1]
        while len(found) < most and at:
            at -= 1
            found += self._blocks[at][: -(most - len(found)) - 1 : -1]
        return found

    # Names may also be poured in, in no order and more than once, before the first is asked for.

    def divide(self, firsts: Sequence[bytes]) -> None:
        """Make a block for what is from each of ``firsts`` on."""
        self._firsts += firsts
        self._blocks += [[] for _ in firsts]

    def pour(self, some: Iterable[bytes]) -> None:
        """Put each of ``some`` at the end of its block."""
        blocks, firsts = self._blocks, self._firsts
        for name in some:
            blocks[bisect_right(firsts, name) - 1].append(name)

    def sort(self) -> Steps[None]:
        """Put the blocks in order, one in each step."""
        for at, block in enumerate(self._blocks):
            self._blocks[at] = sorted(set(block))
            yield

    def _block(self, name: bytes) -> int:
        return bisect_right(self._firsts, name) - 1

    def _cut(self, at: int) -> None:
        block = self._blocks[at]
        half = len(block) // 2
        self._blocks[at : at + 1] = [block[:half], block[half:]]
        self._firsts.insert(at + 1, block[half])


def put_in_order(
    read: Callable[[Places], Iterable[bytes]], count: int, *, block: int = BLOCK
) -> Steps[SortedNames]:
    """Put the names at ``count`` places in order, in steps; ``read`` returns those at some places.

    Each name goes to one of many blocks by a sample of them all, and then each block is sorted.
    """
    names = SortedNames(block)
    sample: list[bytes] = []
    stride = max(1, block // SAMPLES)
    for places in _portions(np.arange(0, count, stride) if count > block else _NONE, block):
        sample += read(places)
        yield
    firsts = sorted(set(sample))[SAMPLES::SAMPLES]
    names.divide(firsts)
    for places in _portions(np.arange(count), block):
        names.pour(read(places))
        yield
    yield from names.sort()
    return names


def _portions(places: Places, block: int) -> Iterator[Places]:
    return (places[at : at + block] for at in range(0, len(places), block))
