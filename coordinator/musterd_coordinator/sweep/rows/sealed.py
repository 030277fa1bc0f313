"""The module judges the signed beats of one sweep of a database while they still arrive; pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.columns import WORDS, Rejected, from_words, sift
from musterd_coordinator.sweep.rows.collector import RowCollector
from musterd_coordinator.sweep.rows.slotmap import Believed, RowSlots
from musterd_coordinator.sweep.signed.macs import words_of
from musterd_coordinator.sweep.signed.seals import SlotSeals


class SealedRowCollector(RowCollector):
    """A `SealedRowCollector` is a :class:`RowCollector` that believes what is signed."""

    def __init__(self, shard: str, seats: RowSlots, canary_slot: int, seals: SlotSeals) -> None:
        self._seals = seals
        super().__init__(shard, seats, canary_slot)

    def reset(self, *, everything: bool = True) -> None:
        """Start over."""
        super().reset(everything=everything)
        self._seals.reset()

    def _most(self) -> int:
        return super()._most() + len(self._seals.staying())

    @property
    def settled(self) -> bool:
        """Say whether all is understood; a record that is refused is looked at as long as it stands."""
        return super().settled and not self._refused

    def check(self, rows: NDArray[Any], now: float) -> Steps[None]:
        """Do as :meth:`collect`, for rows that were read at ``now``, in steps."""
        slots = rows["slot"].astype(np.int64)
        believed = yield from self._check(slots, rows["record"], now)
        self._take_in(believed)
        self._look_for_canary(slots, rows)

    def _check(
        self, slots: NDArray[np.int64], records: NDArray[np.void], now: float
    ) -> Steps[Believed]:
        seated = self._seats.are_taken(slots)
        seated[np.isin(slots, self._seals.staying())] = True
        strangers = int(np.count_nonzero(~seated & (slots >= 0)))
        # Members that took their slot and did not beat yet have zeros in it.
        known = seated & ((records["magic"] != 0) | (records["incarnation"] != 0))
        read, words = slots[known], words_of(records[known])
        good, rejected = sift(words[:WORDS])
        self._seals.spoil(read[~good])
        refused = read[~good]
        kept, words = read[good], np.ascontiguousarray(words[:, good])
        if not self._seals.required:
            rightful = self._seats.member_id[kept] == words[1]
            refused = np.concatenate([refused, kept[~rightful]])
            rejected += Rejected(member_id=int(np.count_nonzero(~rightful)))
            kept, words = kept[rightful], np.ascontiguousarray(words[:, rightful])
        checked = yield from self._seals.check(kept, words, now)
        rejected += Rejected(member_id=int(np.count_nonzero(checked.foreign)))
        refused = np.concatenate([refused, kept[checked.bad]])
        own = np.ascontiguousarray(words[:WORDS, checked.good])
        beats = from_words(kept[checked.good], own)
        self._seats.hear(read, beats)
        return Believed(beats, rejected, strangers, refused)
