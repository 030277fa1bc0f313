"""The module keeps by slot what a shard's records are checked with, and the record read last."""

from collections.abc import Iterator, Sequence
from secrets import token_bytes

import numpy as np
from numpy.typing import NDArray

from musterd.keys import FleetKeys
from musterd_coordinator.process import pages
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.signed.macs import RECORD_WORDS, SEAL_WORDS, Words
from musterd_coordinator.sweep.signed.signing import KEYS, as_columns

NOBODY, CLAIMED, PROVEN, AWAY = range(4)
"""What a slot's member is: none; one that was announced here, of which no fresh signed beat was read
yet; one that beats here; one that did, and beats elsewhere now."""

UNREAD, OLD, UNSIGNED, GOOD, DOUBTED, LATE, BAD = range(7)
"""What a slot's record is: none was read; one that stood there when this coordinator began, and says
nothing; one without a signature, where none is required; its member's own; one that may be its
member's, with other facts that are read soon; its member's, signed for an old challenge; any other."""


class SealColumns:
    """A `SealColumns` has a row for each slot, to check records with ``keys``.

    ``run`` and ``sequence`` are of the newest good beat, and ``key`` says which of the keys it was signed
    with. At ``heard_at``, monotonic seconds, it was first read, or a newer one that was signed for an old
    challenge.
    """

    def __init__(self, keys: FleetKeys) -> None:
        self.keys = keys
        self.count = len(keys.given())
        self.member = np.zeros(0, np.uint8)
        self.identity = np.zeros(0, np.uint64)
        self.seals: Words = np.zeros((KEYS * SEAL_WORDS, 0), np.uint64)
        self.key = np.zeros(0, np.uint8)
        self.last: Words = np.zeros((RECORD_WORDS, 0), np.uint64)
        self.record = np.zeros(0, np.uint8)
        self.run = np.zeros(0, np.uint64)
        self.sequence = np.zeros(0, np.uint64)
        self.heard_at = np.zeros(0)

    @property
    def size(self) -> int:
        """Return the bytes of all columns."""
        return sum(getattr(self, name).nbytes for name in _COLUMNS)

    def reserve(self, size: int) -> None:
        """Have rows for slots below ``size``."""
        for _ in self.make_room(size):
            pass

    def make_room(self, size: int) -> Iterator[None]:
        """Do the same in steps: to copy all that is kept of a million members takes 50 ms.

        Nothing else may change columns meanwhile.
        """
        have = len(self.member)
        if size <= have:
            return
        room, grown = max(size, have + have // 4), {}
        for name in _COLUMNS:
            column = getattr(self, name)
            larger = grown[name] = pages.zeros((*column.shape[:-1], room), column.dtype)
            for old, new in zip(np.atleast_2d(column), np.atleast_2d(larger), strict=True):
                new[:have] = old
                yield
        for name, column in grown.items():
            setattr(self, name, column)

    def seals_of(self, slots: Slots) -> Words:
        """Return what records in ``slots`` (n) are checked with, by each key: (keys, 3, n)."""
        words = self.seals[: self.count * SEAL_WORDS]
        seals: Words = words[:, slots].reshape(self.count, SEAL_WORDS, -1)
        return seals

    def keys_of(self, slots: Slots) -> NDArray[np.int64]:
        """Return the numbers of the keys that signed last in ``slots`` (n)."""
        return self.key[slots].astype(np.int64)

    def put(self, slots: Slots, identities: NDArray[np.uint64], seals: bytes, state: int) -> None:
        """Have members ``identities`` (n) with these ``seals`` in ``slots`` (n), in that ``state``."""
        self.reserve(1 + int(slots.max(initial=-1)))
        self.member[slots], self.identity[slots], self.key[slots] = state, identities, 0
        self.seals[:, slots] = as_columns(seals).reshape(-1, len(slots))
        self.record[slots], self.last[:, slots] = UNREAD, 0
        for name in _HEARD:
            getattr(self, name)[slots] = 0

    def change_seals(self, slot: int, seals: bytes) -> None:
        """Check the records of the member in ``slot`` with other ``seals``: it announced other facts."""
        self.seals[:, slot] = as_columns(seals).ravel()

    def exchange(self, keys: FleetKeys) -> Iterator[None]:
        """Check with other ``keys`` from now on, in steps, during which nothing else may change.

        What is checked with a key that stays goes on to be. For a key that comes there is that of
        one that stays, until :meth:`change_seals`; if none stays, nobody's.
        """
        old, room = self.keys.given(), self.seals.shape[1]
        stay = [old.index(key) for key in keys.given() if key in old]
        seals = pages.zeros((KEYS * SEAL_WORDS, room), np.uint64)
        for at, key in enumerate(_filled(keys)):
            source = old.index(key) if key in old else next(iter(stay), None)
            for word in range(SEAL_WORDS):
                found = None if source is None else self.seals[source * SEAL_WORDS + word]
                seals[at * SEAL_WORDS + word] = _nobodys(room) if found is None else found
                yield
        new = keys.given()
        places = [new.index(key) if key in new else 0 for key in old]
        self.key = np.array(places, np.uint8)[self.key]
        self.seals, self.keys, self.count = seals, keys, len(new)

    def are_seals(self, slot: int, seals: bytes) -> bool:
        """Say whether records in ``slot`` are checked with these ``seals``."""
        return bool((self.seals[:, slot] == as_columns(seals).ravel()).all())

    def agree(self, slot: int, seals: bytes, places: Sequence[int]) -> bool:
        """Say whether ``seals`` are those in ``slot``, by the keys at ``places``."""
        told, known = as_columns(seals)[places, :, 0], self.seals[:, slot].reshape(KEYS, -1)
        return bool((told == known[places]).all())

    def look_again(self, slot: int) -> None:
        """Have the record in ``slot`` checked once more: it may be another member's, by now."""
        self.last[:, slot], self.record[slot] = 0, UNREAD

    def clear(self, slot: int) -> None:
        """Have no member in ``slot``."""
        self.member[slot], self.record[slot] = NOBODY, UNREAD
        self.last[:, slot] = 0


def _filled(keys: FleetKeys) -> tuple[bytes, ...]:
    given = keys.given()
    return given * (KEYS // len(given))


def _nobodys(room: int) -> NDArray[np.uint64]:
    return np.frombuffer(token_bytes(8 * room), np.uint64)


_HEARD = ("run", "sequence", "heard_at")
_COLUMNS = ("member", "identity", "seals", "key", "last", "record", *_HEARD)
