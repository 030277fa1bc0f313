"""Who has earned that a spoiled record of his means something; pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.columns import Bools, Slots

ESTABLISHED = 3
"""Sweeps with a good beat after which a slot is known to work. Anybody can take a new one, and write
into it whatever he likes."""


class Spoils(NamedTuple):
    """Of those who are established: slots whose record is no beat of theirs, and how many have any."""

    slots: Slots
    records: int


class Standing:
    """In how many sweeps each slot had a good beat of whoever sits there, up to :data:`ESTABLISHED`.

    Whoever sat there before the first sweep may have beaten for years, and is taken for established.
    """

    def __init__(self) -> None:
        self._good: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._swept = False

    def seat(self, slots: Slots | int) -> None:
        """Somebody else than before sits in these slots."""
        self._reserve(1 + int(np.max(slots, initial=-1)))
        self._good[slots] = 0 if self._swept else ESTABLISHED

    def spoils(self, heard: Bools, refused: Slots) -> Spoils:
        """A sweep brought good beats from the slots that are ``heard`` (by slot), and others from
        those that it ``refused``.
        """
        self._reserve(len(heard))
        spoiled = refused[self._good[refused] >= ESTABLISHED]
        good = np.count_nonzero(heard & (self._good[: len(heard)] >= ESTABLISHED))
        return Spoils(spoiled, int(good) + len(spoiled))

    def count(self, heard: Bools) -> None:
        """That sweep was complete."""
        self._reserve(len(heard))
        good = self._good[: len(heard)]
        np.minimum(good + heard, ESTABLISHED, out=good)
        self._swept = True

    def _reserve(self, size: int) -> None:
        more = size - len(self._good)
        if more > 0:
            self._good = np.pad(self._good, (0, more + size // 8))
