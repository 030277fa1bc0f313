"""The module numbers the zones of each group that a member is in; members are counted by them."""

from array import array

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.roll.interning import Interner

Zone = tuple[str, str]  # group and zone


class Zones(Interner[Zone]):
    """A `Zones` numbers zones and the group of each zone, and has the zones of each group."""

    def __init__(self) -> None:
        super().__init__()
        self.of_group: dict[str, dict[str, int]] = {}
        self._groups = Interner[str]()
        self._group_of = array("i")  # by number of the zone

    def release(self, number: int) -> bool:
        """Release ``number`` for one holder, and say whether there is none left."""
        group, zone = self.key(number)
        if not super().release(number):
            return False
        self._groups.release(self._group_of[number])
        del self.of_group[group][zone]
        if not self.of_group[group]:
            del self.of_group[group]
        return True

    def group_of(self) -> NDArray[np.intc]:
        """Return the number of the group of each zone, by number of the zone: a copy."""
        return np.array(self._group_of, np.intc)

    def number_of_group(self, group: str) -> int | None:
        """Return the number of a group."""
        return self._groups.number(group)

    def _new(self, key: Zone) -> int:
        number = super()._new(key)
        group, zone = key
        self.of_group.setdefault(group, {})[zone] = number
        if number == len(self._group_of):
            self._group_of.append(0)
        self._group_of[number] = self._groups.acquire(group)
        return number
