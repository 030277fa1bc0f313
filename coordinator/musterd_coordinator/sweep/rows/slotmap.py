"""The module knows the members in a database's slots, and so which beats to believe; pure."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.model import Member
from musterd_coordinator.process import pages
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import Beats, Rejected, check, from_records
from musterd_coordinator.sweep.standing import Spoils, Standing

_ODD, _TWO = np.uint64(1), np.uint64(2)
_NONE = np.empty(0, np.int64)


class Seat(NamedTuple):
    """A `Seat` is what one row of the roster says; ``member`` is None if none of ours sits there."""

    slot: int
    changed: int  # the transaction that wrote the row
    member_id: int = 0
    member: Member | None = None


class Believed(NamedTuple):
    """A `Believed` is what some rows of the table of beats say.

    ``rejected`` counts records that are no beat of their slot's member, ``strangers`` those in
    slots where, as far as the roster was read, no member sits. ``refused`` are the slots of those
    that are rejected.
    """

    beats: Beats
    rejected: Rejected
    strangers: int
    refused: NDArray[np.int64]


class RowSlots:
    """These are the roster as far as it was read, and each member's last believed beat: by slot."""

    def __init__(self) -> None:
        self._taken: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._read: NDArray[np.bool_] = np.zeros(0, np.bool_)  # in the reading that goes on
        self._id: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._changed: NDArray[np.int64] = np.zeros(0, np.int64)
        # A number that tells one beat from the next, and is odd; 0: none.
        self._heard: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._standing = Standing()

    def count(self) -> int:
        """Return how many members sit somewhere."""
        return int(np.count_nonzero(self._taken))

    def is_news(self, slot: int, changed: int) -> bool:
        """Say whether the row of ``slot`` that transaction ``changed`` wrote is not taken over yet."""
        return slot >= len(self._changed) or bool(self._changed[slot] != changed)

    def start_reading(self) -> None:
        """Begin a reading: no row was read in it yet."""
        self._read[:] = False

    def vacate_unread(self) -> list[int]:
        """Vacate the slots that had no row in this reading, which read every row; return them.

        Only those that were not vacant before are returned.
        """
        gone = np.flatnonzero(self._taken & ~self._read)
        self._standing.remove(gone, self._id[gone])
        self._taken[gone] = False
        self._heard[gone] = 0
        return gone.tolist()

    def update(self, seats: Collection[Seat]) -> Roster:
        """Take over what was read; return what it means for the roster."""
        slots = np.fromiter((seat.slot for seat in seats), np.int64, len(seats))
        self._reserve(1 + int(slots.max(initial=-1)))
        taken = np.fromiter((seat.member is not None for seat in seats), np.bool_, len(seats))
        vacated = slots[self._taken[slots] & ~taken]
        self._read[slots] = True
        ids = np.fromiter((seat.member_id for seat in seats), np.uint64, len(seats))
        others = self._id[slots] != ids
        left = slots[self._taken[slots] & (others | ~taken)]
        self._standing.remove(left, self._id[left])
        came = taken & (others | ~self._taken[slots])
        self._standing.seat(slots[came], ids[came])
        self._taken[slots] = taken
        self._heard[slots[others]] = 0
        self._id[slots] = ids
        self._changed[slots] = [seat.changed for seat in seats]
        return Roster(
            [(seat.slot, seat.member) for seat in seats if seat.member is not None],
            np.sort(vacated).tolist(),
        )

    def forget_beats(self) -> None:
        """Forget all beats: they are read anew."""
        self._heard[:] = 0

    def present(self) -> int:
        """Return how many members have a believed beat that, for all we know, still stands there."""
        return int(np.count_nonzero(self._heard))

    def standing(self) -> NDArray[np.uint64]:
        """Return a number for the believed beat in each slot; another beat has another one, none has 0."""
        return self._heard.copy()

    def come_since(self, before: NDArray[np.uint64]) -> int:
        """Return how many members have a believed beat that did not stand there ``before``."""
        old = pages.with_room(before, len(self._heard))
        return int(np.count_nonzero((self._heard != 0) & (self._heard != old[: len(self._heard)])))

    def fingerprint(self) -> int:
        """Return a number that is another one after any of those beats was followed by the next."""
        return int(self._heard.sum())

    def spoils(self, refused: NDArray[np.int64]) -> Spoils:
        """Return what it means that a complete sweep ``refused`` what stands in these slots."""
        heard = self._heard != 0
        spoils = self._standing.spoils(heard, refused)
        self._standing.end_sweep(heard)
        return spoils

    @property
    def member_id(self) -> NDArray[np.uint64]:
        """Return the member_id in each slot that is taken."""
        return self._id

    def are_taken(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say in which of ``slots`` (n) members sit."""
        taken = (slots >= 0) & (slots < len(self._taken))
        taken[taken] = self._taken[slots[taken]]
        return taken

    def hear(self, read: NDArray[np.int64], beats: Beats) -> NDArray[np.int64]:
        """Note that of the slots that were ``read`` those of ``beats`` have good ones; return the others."""
        others = _NONE
        if len(beats.slot) < len(read):
            self._heard[read] = 0
            others = np.setdiff1d(read, beats.slot)
        self._heard[beats.slot] = (beats.incarnation + beats.sequence * _TWO) | _ODD
        return others

    def believe(self, slots: NDArray[np.int64], records: NDArray[np.void]) -> Believed:
        """Return the good beats of members that sit in those ``slots``, and how many were not good.

        Slots below zero, where canaries are, say nothing, nor do members that took their slot and
        did not beat yet. Shapes: (n,), and (n,) of dtype RECORD, of which the beats may be views.
        """
        seated = self.are_taken(slots)
        known = seated & ((records["magic"] != 0) | (records["incarnation"] != 0))
        beats, magic, version = from_records(slots, records), records["magic"], records["version"]
        strangers = 0
        if not known.all():  # seldom, and as much work as all the rest
            strangers = int(np.count_nonzero(~seated & (slots >= 0)))
            beats, magic, version = beats.where(known), magic[known], version[known]
        read = beats.slot
        beats, rejected = check(beats, magic, version)
        rightful = beats.member_id == self._id[beats.slot]
        if not rightful.all():
            beats = beats.where(rightful)
            rejected += Rejected(member_id=int(np.count_nonzero(~rightful)))
        return Believed(beats, rejected, strangers, self.hear(read, beats))

    def _reserve(self, size: int) -> None:
        self._taken = pages.with_room(self._taken, size)
        self._read = pages.with_room(self._read, size)
        self._id = pages.with_room(self._id, size)
        self._changed = pages.with_room(self._changed, size)
        self._heard = pages.with_room(self._heard, size)
