"""The module knows the last words of members that fell silent before they looked at the challenge. Pure.

What an agent signs after a coordinator began, or after the challenge was lost, and before it looked at
the nonce there is no news. While such records come, they may be recorded ones that somebody writes again
and again, over beats of members that live. But one that its member signed, newer than all that was read of
it, and that does not change any more, is what a dead host leaves: whoever wrote it over each of the
member's beats could do the same with its newest one.
"""

import numpy as np

from musterd_coordinator.sweep.columns import Bools, Slots
from musterd_coordinator.sweep.signed.columns import CLAIMED, LATE, PROVEN, SealColumns
from musterd_coordinator.sweep.signed.macs import Words

LAST_WORD_AFTER = 3.0
"""Intervals of its own that a record stands unchanged after which it is its member's last word. An agent
that lives writes the next one within two, where a push is lost, and a push takes one at most."""

_INTERVAL_AT = np.uint64(32)  # bits: in a record's first word, its interval in milliseconds


def are_newest(columns: SealColumns, slots: Slots, records: Words) -> Bools:
    """Say which of ``records`` (8, n) of the members in ``slots`` (n) are newer than all read of them.

    That is so of each where no good one was read yet.
    """
    member, run, sequence = columns.member[slots], records[2], records[3]
    goes_on = (member == PROVEN) & (columns.run[slots] == run)
    newest: Bools = (member == CLAIMED) | (goes_on & (sequence > columns.sequence[slots]))
    return newest


def are_last_words(columns: SealColumns, slots: Slots, records: Words, now: float) -> Bools:
    """Say which of ``records`` (8, n) in ``slots`` (n), read at ``now``, are such."""
    late = columns.record[slots] == LATE
    intervals = (records[0] >> _INTERVAL_AT) / 1000.0
    still: Bools = late & (now - columns.heard_at[slots] >= LAST_WORD_AFTER * intervals)
    return still & are_newest(columns, slots, records)
