"""A relay has columns of where the database keeps its members' beats: a place for each member.

Anybody can take a seat, promise any interval, and hang up in the middle of a beat. So only members
that beat here all the time for long are *established*, and tell whether the relay serves agents
well; those that came in its first moments count at once, for they were here before it started.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musterd.limits import MIN_INTERVAL
from musterd_coordinator.relay.promptness import OVERDUE
from musterd_coordinator.sweep.idmap import IdMap

Places = NDArray[np.int64]
Seconds = NDArray[np.float64]
Numbers = NDArray[np.uint64]

ACTIVE = 3.0
"""Intervals without a written beat after which a member does not beat here: perhaps at another relay."""

ESTABLISHED_AFTER = 10
"""Service down times that a member must have beaten here without a break to be established."""

IN_VAIN = 3
"""Service down times without a written beat after which that is its own affair."""


class RelaySlots:
    """`RelaySlots` are members by place.

    ``slot`` is the database's, ``used`` when a beat was last written. ``holders`` are what agents
    announced, ``keys`` what they beat under. Arrays have room for more places than are taken; those
    of others mean nothing. The relay was ``born`` at an instant of its clock; intervals count for
    ``service_down_time`` seconds at most, whatever beats promise. ``seals`` (words, places) are what
    signed beats are checked with, if anything is.
    """

    def __init__(
        self,
        room: int = 1024,
        *,
        born: float = 0.0,
        service_down_time: float = 60.0,
        seal_words: int = 0,
    ) -> None:
        self.seals = np.zeros((seal_words, room), np.uint64)
        self.slot = np.zeros(room, np.int32)
        self.used = np.zeros(room)
        self._since = np.zeros(room)  # when it began to beat here without a break
        self._interval = np.zeros(room)  # 0: no beat was written yet
        self._run, self._sequence = np.zeros((2, room), np.uint64)  # of the last one written
        self._founders = born + service_down_time
        self._down_time = service_down_time
        self.holders: list[bytes] = []
        self.keys: list[bytes] = []
        self._places = IdMap()
        self._places.reserve(room)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._places)

    @property
    def identity(self) -> NDArray[np.uint64]:
        """Return the member_ids, by place."""
        return self._places.ids

    def find(self, identity: int) -> int | None:
        """Return the place of a member_id."""
        return self._places.get(identity)

    def find_all(self, identities: NDArray[np.uint64]) -> Places:
        """Return the places of member_ids (n), -1 where there is none."""
        return self._places.get_all(identities)

    def put(
        self, identity: int, slot: int, holder: bytes, key: bytes, now: float, seals: bytes = b""
    ) -> None:
        """Give the member this seat, in place of any that it had."""
        place = self._places.get(identity)
        if place is None:
            place = self._take_place()
            self._places.put(identity, place)
        self.slot[place], self.used[place] = slot, now
        self._since[place], self._interval[place], self._run[place] = now, 0.0, 0
        self.holders[place], self.keys[place] = holder, key
        self.seals[:, place] = np.frombuffer(seals, np.uint64)

    def remove(self, identity: int) -> None:
        """Forget the member, if it is here."""
        place = self._places.get(identity)
        if place is not None:
            self._places.remove(identity)
            self.holders[place] = self.keys[place] = b""
            self._free.append(place)

    def unused_since(self, instant: float) -> Iterator[int]:
        """Yield the member_ids of those with beats that were last written before ``instant``."""
        count = len(self.keys)
        for place in np.flatnonzero(self.used[:count] < instant).tolist():
            identity = int(self.identity[place])
            if self._places.get(identity) == place and self.used[place] < instant:
                yield identity

    def write(self, places: Places, intervals: Seconds, now: float) -> None:
        """Note that beats of members at ``places`` (n) were written; they promise ``intervals`` (n)."""
        broken = now - self.used[places] > ACTIVE * self._interval[places]
        self._since[places[broken & (self._interval[places] > 0)]] = now
        self.used[places] = now
        self._interval[places] = np.clip(intervals, MIN_INTERVAL, self._down_time)

    def mark(self, places: Places, runs: Numbers, sequences: Numbers) -> None:
        """Note the runs and sequences (n) of the beats of the members at ``places`` (n)."""
        self._run[places], self._sequence[places] = runs, sequences

    def mark_of(self, identity: int) -> tuple[int, int]:
        """Return the run and the sequence of the member's last written beat; (0, 0): of none."""
        place = self._places.get(identity)
        return (0, 0) if place is None else (int(self._run[place]), int(self._sequence[place]))

    def active(self, now: float) -> int:
        """Return how many established members beat here: written in the last :data:`ACTIVE` intervals."""
        places = np.arange(len(self.keys))
        beating = now - self.used[places] <= ACTIVE * self._interval[places]
        return int(np.count_nonzero(beating & self._established(places, now)))

    def overdue(self, identities: NDArray[np.uint64], now: float) -> dict[int, float]:
        """Return which of these members (n) are established and were not written for too long.

        That is too long for the interval of its last written beat, which is given beside it. A
        member that tried for :data:`IN_VAIN` is left out.
        """
        places = self.find_all(identities)
        seated = places >= 0
        places, identities = places[seated], identities[seated]
        silent, interval = now - self.used[places], self._interval[places]
        late = (silent > OVERDUE * interval) & (silent <= IN_VAIN * self._down_time)
        late &= self._established(places, now)
        return dict(zip(identities[late].tolist(), interval[late].tolist(), strict=True))

    def _established(self, places: Places, now: float) -> NDArray[np.bool_]:
        since = self._since[places]
        long = (since <= self._founders) | (now - since >= ESTABLISHED_AFTER * self._down_time)
        established: NDArray[np.bool_] = long & (self._interval[places] > 0)
        return established

    def _take_place(self) -> int:
        if self._free:
            return self._free.pop()
        place = len(self.keys)
        if place == len(self.slot):
            self.slot, self.used = np.resize(self.slot, 2 * place), np.resize(self.used, 2 * place)
            self._since = np.resize(self._since, 2 * place)
            self._interval = np.resize(self._interval, 2 * place)
            self._run = np.resize(self._run, 2 * place)
            self._sequence = np.resize(self._sequence, 2 * place)
            self.seals = np.hstack([self.seals, np.zeros_like(self.seals)])
            self._places.reserve(2 * place)
        self.holders.append(b"")
        self.keys.append(b"")
        return place
