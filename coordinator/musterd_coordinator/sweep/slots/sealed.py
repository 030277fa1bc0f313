"""The module checks the signed beats of one sweep against the seats, and what their agents announced."""

import numpy as np

from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.columns import WORDS, Slots, Words, all_good, as_span
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.slots.collector import BeatCollector
from musterd_coordinator.sweep.slots.slotmap import SlotMap


class SealedCollector(BeatCollector):
    """A `SealedCollector` is a :class:`BeatCollector` of records with their macs."""

    def __init__(self, seats: SlotMap, seals: SlotSeals) -> None:
        self._seals = seals
        super().__init__(seats)

    def reset(self) -> None:
        """Start over."""
        super().reset()
        self._seals.reset()

    def check(self, slots: Slots, words: Words, odd: Slots, now: float) -> Steps[None]:
        """Do as :meth:`collect`, with all eight words of each record, read at ``now``, in steps."""
        self.size += len(slots)
        self._leave_out(odd)
        self._seals.spoil(odd)
        if len(slots) and not all_good(words):
            read = slots
            slots, words = self._without_bad(slots, words)
            self._seals.spoil(np.setdiff1d(read, slots))
        if not self._seals.required:
            slots, words = self._without_foreign(slots, words)
        if not len(slots):
            return
        checked = yield from self._seals.check(slots, words, now)
        if checked.bad.any():
            self._note_foreign(slots[checked.foreign], words[1, checked.foreign])
            self._refused.append(slots[checked.bad & ~checked.foreign])
        if not checked.good.all():
            slots, words = slots[checked.good], words[:, checked.good]
        self._note(as_span(slots), slots, words[2])
        self._append(slots, words[:WORDS])

    def finish(self) -> None:
        """Note that all blocks were asked for and answered."""
        super().finish()
        self._seals.finish()
