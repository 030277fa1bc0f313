"""Who sits in which slot of a database, and which beats may therefore be believed; pure."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.columns import Beats, Rejected, check, from_records
from musterd.model import Member
from musterd.stores.base import Roster


class Seat(NamedTuple):
    """What one row of the roster says. ``member`` is None when nobody of ours sits there."""

    slot: int
    changed: int  # the transaction that wrote the row
    member_id: int = 0
    member: Member | None = None


class Seats:
    """The roster as far as it was read: arrays by slot."""

    def __init__(self) -> None:
        self._taken: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._read: NDArray[np.bool_] = np.zeros(0, np.bool_)  # in the reading that goes on
        self._id: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._changed: NDArray[np.int64] = np.zeros(0, np.int64)

    def count(self) -> int:
        """How many members sit somewhere."""
        return int(np.count_nonzero(self._taken))

    def is_news(self, slot: int, changed: int) -> bool:
        """Whether the row of ``slot`` as transaction ``changed`` wrote it was not taken over yet."""
        return slot >= len(self._changed) or bool(self._changed[slot] != changed)

    def begin(self) -> None:
        """A reading begins: no row was read in it yet."""
        self._read[:] = False

    def vacate_unread(self) -> list[int]:
        """Every row was read in this reading: slots without one are vacant; those that were not."""
        gone = np.flatnonzero(self._taken & ~self._read)
        self._taken[gone] = False
        return gone.tolist()

    def update(self, seats: Collection[Seat]) -> Roster:
        """Take over what was read; what it means for the roster."""
        slots = np.fromiter((seat.slot for seat in seats), np.int64, len(seats))
        self._reserve(1 + int(slots.max(initial=-1)))
        taken = np.fromiter((seat.member is not None for seat in seats), np.bool_, len(seats))
        vacated = slots[self._taken[slots] & ~taken]
        self._taken[slots] = taken
        self._read[slots] = True
        self._id[slots] = np.fromiter((seat.member_id for seat in seats), np.uint64, len(seats))
        self._changed[slots] = [seat.changed for seat in seats]
        return Roster(
            [(seat.slot, seat.member) for seat in seats if seat.member is not None],
            np.sort(vacated).tolist(),
        )

    def believe(
        self, slots: NDArray[np.int64], records: NDArray[np.void]
    ) -> tuple[Beats, Rejected]:
        """The good beats of members who sit in those ``slots``, and how many were not good.

        Slots where nobody sits (not yet, or others' canaries) say nothing, nor do members who
        took their slot and did not beat yet. Shapes: (n,), and (n,) of dtype RECORD, of which the
        beats may be views.
        """
        known = (slots >= 0) & (slots < len(self._taken))
        known[known] = self._taken[slots[known]]
        known &= (records["magic"] != 0) | (records["incarnation"] != 0)
        beats, magic, version = from_records(slots, records), records["magic"], records["version"]
        if not known.all():  # seldom, and as much work as all the rest
            beats, magic, version = beats.where(known), magic[known], version[known]
        beats, rejected = check(beats, magic, version)
        rightful = beats.member_id == self._id[beats.slot]
        if rightful.all():
            return beats, rejected
        return beats.where(rightful), rejected + Rejected(member_id=int((~rightful).sum()))

    def _reserve(self, size: int) -> None:
        more = size - len(self._taken)
        if more > 0:
            more += size // 8
            self._taken = np.pad(self._taken, (0, more))
            self._read = np.pad(self._read, (0, more))
            self._id = np.pad(self._id, (0, more))
            self._changed = np.pad(self._changed, (0, more))
