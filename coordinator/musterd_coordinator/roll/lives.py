"""The module keeps which forgettings a roll knows of, and which members began after which.

A member's state may be on its way to the registry while another coordinator forgets that member. So
what is saved says of which forgettings it knows, and a forgotten row comes back to life only by
what knows of its own.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Rows
from musterd_coordinator.process import pages
from musterd_coordinator.roll.rowset import RowSet

REMEMBERED = 4000
"""Forgettings, each of one member or of hundreds at once. The registry keeps forgotten rows for
minutes: see :data:`musterd_coordinator.service.recorder.KEEP_FORGOTTEN`."""


class ForgottenLives:
    """A `ForgottenLives` has the forgettings that are known, by number, oldest first.

    It also has when each member's row began.
    """

    def __init__(self) -> None:
        self.saved = RowSet()  # the registry knows them, or did
        self.epoch = 0  # how often a forgetting became known
        self._numbers: dict[int, int] = {}  # and the epoch that began with each
        self._began: NDArray[np.uint32] = np.zeros(1024, np.uint32)  # by row, an epoch

    def knows(self, number: int) -> bool:
        """Say whether a forgetting is known; 0 is one that no other coordinator needs to know."""
        return number in self._numbers

    def outlived(self, row: int, number: int) -> bool:
        """Say whether the member of ``row`` began after this forgetting was known."""
        return number in self._numbers and self._began.item(row) >= self._numbers[number]

    def learn(self, numbers: Iterable[int]) -> None:
        """Learn of the forgettings with these ``numbers``, the members of which were removed."""
        for number in numbers:
            if number:
                self.epoch += 1
                self._numbers[number] = self.epoch
        while len(self._numbers) > REMEMBERED:
            del self._numbers[next(iter(self._numbers))]

    def numbers(self) -> list[int]:
        """Return the numbers of all that are known."""
        return list(self._numbers)

    def add(self, rows: Rows) -> None:
        """Add new members, which sit in ``rows`` (n)."""
        if not len(rows):
            return
        self.reserve(int(rows.max()) + 1)
        self._began[rows] = self.epoch

    def reserve(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        self._began = pages.with_room(self._began, rows)

    def begun_after(self, rows: Rows, epoch: int) -> Rows:
        """Return those of ``rows`` that began after ``epoch``."""
        rows = rows[rows < len(self._began)]
        return rows[self._began[rows] > epoch]
