"""The module judges records that are no beats where there were beats before.

They tell of the path. A few are of agents that just changed seats. Where there are more, beats are
being spoiled or mixed up on their way, with the canary or without it, and a member that is not
heard may be alive. But a slot that is spoiled all the time, while most are well, has trouble of its
own, and holds up no other member for ever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from musterd_coordinator.sweep.base import BeatBatch
from musterd_coordinator.sweep.columns import Seconds, Slots

log = structlog.get_logger(__name__)

MOST_SPOILED = 0.1
"""The share of records, of those who are known to beat, that may be no beat of theirs."""

MOST_OWN = 0.5
"""The share beyond which the path is at fault, however long that lasts."""

GIVEN_UP_AFTER = 3.0
"""Down times after which a slot's record is its member's own affair."""

_NAMED = 5


def _none() -> Slots:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A `Spoiled` says what a sweep had of spoiled slots.

    Of so many ``records``, ``counted`` are the slots that count and ``given_up`` those that do not;
    both in order. ``since`` is when the first that counts was seen, ``until`` when the last will be
    given up (None: never), ``given_up_since`` when the first of the others was seen; in monotonic
    seconds.
    """

    counted: Slots = field(default_factory=_none)
    given_up: Slots = field(default_factory=_none)
    records: int = 0
    since: float = 0.0
    until: float | None = None
    given_up_since: float = 0.0

    @property
    def reason(self) -> str:
        """Return why the sweep proves nothing; empty if that is not because of them."""
        count = len(self.counted)
        if count <= MOST_SPOILED * self.records:
            return ""
        return f"{count} of {self.records} beats are spoiled, or stored for another member"

    def holds(self, slot: int) -> bool:
        """Say whether ``slot`` is one of them."""
        return any(_is_in(slot, slots) for slots in (self.counted, self.given_up))


class Spoilage:
    """A `Spoilage` keeps since when slots of ``shard`` are spoiled.

    ``down_time()`` is in seconds.
    """

    def __init__(self, shard: str, down_time: Callable[[], float]) -> None:
        self._shard = shard
        self._down_time = down_time
        self._slots: Slots = _none()
        self._since: Seconds = np.empty(0)
        self._seen: Seconds = np.empty(0)
        self._said: Slots = _none()

    def update(self, sweep: BeatBatch, now: float) -> Spoiled:
        """Return what a complete ``sweep`` has of spoiled slots at ``now`` monotonic seconds."""
        patience = GIVEN_UP_AFTER * self._down_time()
        self._forget(sweep, now - patience)
        present = self._remember(np.unique(np.asarray(sweep.spoiled, np.int64)), now)
        # One that was removed to mend its slot is in doubt until there is a beat again: were only those
        # counted that are there, to remove all of them would make every member silent.
        slots, since = self._slots, self._since
        established = sweep.established + len(slots) - present
        lasting = now - since >= patience
        most = len(slots) > MOST_OWN * established
        if most:
            lasting[:] = False
        self._say(slots[lasting], patience)
        counted = since[~lasting]
        return Spoiled(
            slots[~lasting],
            slots[lasting],
            established - int(np.count_nonzero(lasting)),
            float(counted.min(initial=now)),
            None if most else float(counted.max(initial=0.0)) + patience,
            float(since[lasting].min(initial=now)),
        )

    def _remember(self, slots: Slots, now: float) -> int:
        """Note since when each of ``slots`` (n), which are spoiled now, is; return n."""
        kept = np.isin(self._slots, slots, invert=True)
        since = np.full(len(slots), now)
        _, before, at = np.intersect1d(self._slots, slots, assume_unique=True, return_indices=True)
        since[at] = self._since[before]
        order = np.argsort(all_slots := np.concatenate([self._slots[kept], slots]))
        self._slots = all_slots[order]
        self._since = np.concatenate([self._since[kept], since])[order]
        self._seen = np.concatenate([self._seen[kept], np.full(len(slots), now)])[order]
        return len(slots)

    def _forget(self, sweep: BeatBatch, before: float) -> None:
        """Drop the slots with a beat of their member again, or its last word, or not seen since ``before``.

        A record that is gone, as one that was removed to mend the slot, says nothing: it may be
        spoiled again before the next sweep.
        """
        if not len(self._slots):
            return
        kept = (self._seen > before) & np.isin(self._slots, sweep.beats.slot, invert=True)
        kept &= np.isin(self._slots, sweep.last_words, invert=True)
        self._slots = self._slots[kept]
        self._since, self._seen = self._since[kept], self._seen[kept]

    def _say(self, given_up: Slots, patience: float) -> None:
        news = np.setdiff1d(given_up, self._said)
        self._said = given_up
        if len(news):
            log.warning(
                "spoiled beats given up",
                shard=self._shard,
                count=len(given_up),
                slots=news[:_NAMED].tolist(),
                after=round(patience, 3),
                note="they hold up nobody else any longer; their members count as silent",
            )


def _is_in(slot: int, slots: Sequence[int] | Slots) -> bool:
    at = int(np.searchsorted(slots, slot))
    return at < len(slots) and int(slots[at]) == slot
