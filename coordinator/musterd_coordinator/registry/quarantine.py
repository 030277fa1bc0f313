"""The module leaves alone what a registry cannot keep or makes no sense of.

That is named once, and counted. One row never holds up the others: neither those written with it
nor those read with it.
"""

from collections import Counter

import structlog

log = structlog.get_logger(__name__)

NAMED_SINGLY = 20
"""Names with a log line each; after them a line tells of each doubling of their number."""

REMEMBERED = 10_000
"""Names of which it is known that they were named."""


class RowQuarantine:
    """A `RowQuarantine` knows which members, or lines of history, were left out."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._times: Counter[str] = Counter()
        self._next_sum = 2 * NAMED_SINGLY

    def __len__(self) -> int:
        return len(self._times)

    def __contains__(self, name: str) -> bool:
        return name in self._times

    def add(self, name: str, reason: str) -> None:
        """Note that ``name`` was left out for ``reason``; log it the first time."""
        if name not in self._times and len(self._times) >= REMEMBERED:
            return
        self._times[name] += 1
        if self._times[name] > 1:
            return
        if len(self) <= NAMED_SINGLY:
            log.error(self._event, name=name, reason=reason, note="all others are not held up")
        elif len(self) == self._next_sum:
            self._next_sum *= 2
            log.error(self._event, count=len(self), last=name, reason=reason)
