"""Where the database keeps the beats of the members that a relay knows: columns, a place for each."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musterd.stores.idmap import IdMap
from musterd_coordinator.relay.promptness import OVERDUE

Places = NDArray[np.int64]
Seconds = NDArray[np.float64]

ACTIVE = 3.0
"""Intervals without a written beat after which a member does not beat here: perhaps at another relay."""


class Seats:
    """Members by place. ``slot`` is the database's, ``used`` when a beat was last written.

    ``holders`` are what agents announced, ``keys`` what they beat under. Arrays have room for
    more places than are taken; those of others mean nothing.
    """

    def __init__(self, room: int = 1024) -> None:
        self.slot = np.zeros(room, np.int32)
        self.used = np.zeros(room)
        self._interval = np.zeros(room)
        self.holders: list[bytes] = []
        self.keys: list[bytes] = []
        self._places = IdMap()
        self._places.reserve(room)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._places)

    @property
    def identity(self) -> NDArray[np.uint64]:
        """The member_ids, by place."""
        return self._places.ids

    def find(self, identity: int) -> int | None:
        """The place of a member_id."""
        return self._places.get(identity)

    def find_all(self, identities: NDArray[np.uint64]) -> Places:
        """The places of member_ids (n), -1 where there is none."""
        return self._places.get_all(identities)

    def put(self, identity: int, slot: int, holder: bytes, key: bytes, now: float) -> None:
        """Give the member this seat, in place of any that it had."""
        place = self._places.get(identity)
        if place is None:
            place = self._take_place()
            self._places.put(identity, place)
        self.slot[place], self.used[place], self._interval[place] = slot, now, 0.0
        self.holders[place], self.keys[place] = holder, key

    def remove(self, identity: int) -> None:
        """Forget the member, if it is here."""
        place = self._places.get(identity)
        if place is not None:
            self._places.remove(identity)
            self.holders[place] = self.keys[place] = b""
            self._free.append(place)

    def unused_since(self, instant: float) -> Iterator[int]:
        """The member_ids of those whose beats were last written before ``instant``."""
        count = len(self.keys)
        for place in np.flatnonzero(self.used[:count] < instant).tolist():
            identity = int(self.identity[place])
            if self._places.get(identity) == place and self.used[place] < instant:
                yield identity

    def write(self, places: Places, intervals: Seconds, now: float) -> None:
        """Beats of the members at ``places`` (n), which promise ``intervals`` (n), were written."""
        self.used[places] = now
        self._interval[places] = intervals

    def active(self, now: float) -> int:
        """How many members beat here: those written within the last :data:`ACTIVE` intervals."""
        count = len(self.keys)
        return int(np.count_nonzero(now - self.used[:count] <= ACTIVE * self._interval[:count]))

    def overdue(
        self, identities: NDArray[np.uint64], intervals: Seconds, now: float
    ) -> dict[int, float]:
        """Who of these members (n) was not written for too long for its interval (n), and that.

        Members without a seat are nobody's loss here.
        """
        places = self.find_all(identities)
        late = (places >= 0) & (now - self.used[places] > OVERDUE * intervals)
        return dict(zip(identities[late].tolist(), intervals[late].tolist(), strict=True))

    def _take_place(self) -> int:
        if self._free:
            return self._free.pop()
        place = len(self.keys)
        if place == len(self.slot):
            self.slot, self.used = np.resize(self.slot, 2 * place), np.resize(self.used, 2 * place)
            self._interval = np.resize(self._interval, 2 * place)
            self._places.reserve(2 * place)
        self.holders.append(b"")
        self.keys.append(b"")
        return place
