"""The module tells coordinators whether there are relays, and whether one of them is at work.

A coordinator's canary reaches the database by itself. When all relays of a fleet are away, that
path is open and theirs is not, and silence must not count. So each relay keeps a row of its own in
the table of beats and overwrites it every so often, by the connection that beats take. There it
also says when its agents give their beats up before it answers, for whatever reason: those members
are silent, and may be alive.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from math import inf

import structlog

from musterd.beat import Beat, Status, beat_in
from musterd.stores.rowwriter import namespace_key

log = structlog.get_logger(__name__)

MOST_RELAYS = 1000
"""Rows of relays that a coordinator looks at."""

MOST_PERIOD = 10.0
"""Seconds; a row that promises another after longer is no relay's: theirs come once a second or faster."""

NO_RELAY = "no relay is writing"
MARKS_MISSED = 3
"""Periods without a change after which a relay may be in trouble."""

MARKS_GONE = 12
"""Periods after which it is gone: by then its agents beat to another one."""


def marks_key(namespace: str) -> int:
    """Do as :func:`namespace_key`, for the rows of a fleet's relays; no namespace has a blank."""
    return namespace_key(f"{namespace} relays")


def mark_slot(namespace: str, relay: str) -> int:
    """Return the slot, below zero, of a relay's own row; one in 2**31 may fall on another's."""
    digest = blake2b(f"{namespace} relays/{relay}".encode(), digest_size=4).digest()
    return -1 - (int.from_bytes(digest) >> 1)


class RelayWatch:
    """A `RelayWatch` keeps what one coordinator saw of the relays' rows.

    Instants are of its own monotonic clock. ``is_ours`` says whether the row of a slot was signed with
    the fleet key; None: rows are not signed.
    """

    def __init__(self, is_ours: Callable[[int, bytes], bool] | None = None) -> None:
        self._is_ours = is_ours
        self._marks: Mapping[int, bytes] = {}
        self._changed: dict[int, float] = {}  # -inf: not since we began
        self._beats = 0
        self._last = -inf
        self._refused: set[int] = set()

    def judge(self, marks: Mapping[int, bytes], beats: int, now: float) -> str:
        """Return why a sweep proves nothing, or an empty text.

        ``marks`` are the relays' rows by slot; ``beats`` is any number that changes with the beats
        of members. While those flow, a path is open: rows of relays that were taken away mislead no
        coordinator for long.
        """
        rows = self._readable(marks)
        self._note({slot: marks[slot] for slot in rows}, beats, now)
        if not rows:
            return ""
        if now - self._last > MARKS_MISSED * max(map(_period, rows.values())):
            return NO_RELAY
        reasons = (_trouble(row, now - self._changed[slot]) for slot, row in rows.items())
        return next(filter(None, reasons), "")

    def _readable(self, marks: Mapping[int, bytes]) -> dict[int, Beat]:
        """Return the rows that a relay could have written; name the others once.

        The others hold up nothing.
        """
        read = {slot: beat_in(record) for slot, record in marks.items()}
        rows = {slot: row for slot, row in read.items() if row and 0 < _period(row) <= MOST_PERIOD}
        if self._is_ours is not None:
            rows = {slot: row for slot, row in rows.items() if self._is_ours(slot, marks[slot])}
        refused = marks.keys() - rows.keys()
        if not refused <= self._refused:
            news = sorted(refused - self._refused)
            log.warning("relay's rows refused", count=len(news), slots=news[:10])
        self._refused = set(refused)
        return rows

    def _note(self, marks: Mapping[int, bytes], beats: int, now: float) -> None:
        if marks != self._marks or beats != self._beats:
            first = self._last == -inf
            news = {slot for slot, record in marks.items() if record != self._marks.get(slot)}
            self._changed |= dict.fromkeys(news, -inf if first else now)
            self._marks, self._beats, self._last = marks, beats, now


def _trouble(row: Beat, age: float) -> str:
    """Return why beats that a relay took may be missing; ``row`` is unchanged for ``age`` seconds."""
    if row.status is Status.LEAVING or age > MARKS_GONE * _period(row):
        return ""
    if age > MARKS_MISSED * _period(row):
        return (
            f"a relay shows no sign of life for {age:.1f} s; its agents may not be at another yet"
        )
    if row.status is Status.CHECK_FAILING:
        slowest = row.lag_ms / 1000
        return f"a relay lags: {row.missed} beats given up, the slowest answer took {slowest:.1f} s"
    return ""


def _period(row: Beat) -> float:
    return row.interval_ms / 1000
