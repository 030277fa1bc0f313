"""How coordinators know that there are relays, and whether one of them is at work.

A coordinator's canary reaches the database by itself. When all relays of a fleet are away, that
path is open and theirs is not, and silence must not count. So each relay keeps a row of its own in
the table of beats and overwrites it every so often, by the connection that beats take.
"""

from collections.abc import Mapping
from hashlib import blake2b
from math import inf

from musterd.beat import BeatError, unpack
from musterd.stores.postgres import namespace_key

READ_MARKS = "SELECT slot, record FROM musterd.beat WHERE slot < 0 AND namespace_key = $1"
WRITE_MARK = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record)
VALUES ($1, now(), $2, $3, $4)
ON CONFLICT (slot) DO UPDATE SET seen_at = excluded.seen_at, record = excluded.record
"""
NO_RELAY = "no relay is writing"
_MARKS_MISSED = 3


def marks_key(namespace: str) -> int:
    """As :func:`namespace_key`, for the rows of a fleet's relays; no namespace has a blank."""
    return namespace_key(f"{namespace} relays")


def mark_slot(namespace: str, relay: str) -> int:
    """The slot, below zero, of a relay's own row; one in 2**31 may fall on another's."""
    digest = blake2b(f"{namespace} relays/{relay}".encode(), digest_size=4).digest()
    return -1 - (int.from_bytes(digest) >> 1)


class RelayWatch:
    """What one coordinator saw of the relays' rows; instants are of its own monotonic clock."""

    def __init__(self) -> None:
        self._marks: Mapping[int, bytes] = {}
        self._beats = 0
        self._last = -inf

    def judge(self, marks: Mapping[int, bytes], beats: int, now: float) -> str:
        """Why a sweep proves nothing, or an empty text.

        ``marks`` are the relays' rows by slot; ``beats`` is any number that changes with the beats
        of members. While those flow, a path is open: rows of relays that were taken away mislead
        nobody.
        """
        if marks != self._marks or beats != self._beats:
            self._marks, self._beats, self._last = marks, beats, now
        periods = [_period(record) for record in marks.values()]
        if not marks or now - self._last <= _MARKS_MISSED * max(periods):
            return ""
        return NO_RELAY


def _period(record: bytes) -> float:
    try:
        return unpack(record).interval_ms / 1000
    except BeatError:
        return 1.0
