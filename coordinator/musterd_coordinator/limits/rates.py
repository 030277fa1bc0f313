"""Buckets of tokens, one for all and one for each address, limit how often callers come. Pure.

`Repeats` limits what is logged of a flood.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil

OWED_FOR = 30.0
"""Seconds that one has to wait at most, however much one thing cost: whoever was mistaken can undo it."""

KNOWN = 4096
"""Addresses that are remembered; one that is not has a full bucket, and the one for all holds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A `Rate` is ``burst`` at once, and ``each_second`` from then on."""

    each_second: float
    burst: float


class Bucket:
    """A `Bucket` has tokens that come back at a rate."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def delay(self, now: float) -> float:
        """Return the seconds until there is a token."""
        grown = max(0.0, now - self._at) * self._rate.each_second
        self._tokens, self._at = min(self._rate.burst, self._tokens + grown), now
        return max(0.0, 1.0 - self._tokens) / self._rate.each_second

    def consume(self) -> None:
        """Consume one token; :meth:`delay` said that there is one."""
        self._tokens -= 1.0

    def charge(self, tokens: float) -> None:
        """Consume more after the fact; what is owed is back within :data:`OWED_FOR` seconds."""
        least = -OWED_FOR * self._rate.each_second
        self._tokens = max(min(least, self._tokens), self._tokens - tokens)


class Pace:
    """A `Pace` lets through so many in all, and so many of one address."""

    def __init__(self, total: Rate, each: Rate, clock: Callable[[], float]) -> None:
        self._each = each
        self._clock = clock
        self._all = Bucket(total, clock())
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def retry_after(self, who: Hashable) -> int:
        """Return 0 if ``who`` may go on, else the whole seconds to wait for."""
        now = self._clock()
        theirs = self._buckets.get(who)
        if theirs is None:
            theirs = self._buckets[who] = Bucket(self._each, now)
        self._buckets.move_to_end(who)
        if len(self._buckets) > KNOWN:
            self._buckets.popitem(last=False)
        wait = max(theirs.delay(now), self._all.delay(now))
        if wait:
            return ceil(wait)
        theirs.consume()
        self._all.consume()
        return 0

    def charge(self, who: Hashable, tokens: float) -> None:
        """Count more for what ``who`` was let through with."""
        self._all.charge(tokens)
        if (theirs := self._buckets.get(who)) is not None:
            theirs.charge(tokens)


class Repeats:
    """`Repeats` says which of many like events have a line of their own in the log.

    The first ``burst`` of each ``period`` seconds have; the rest are counted, and told with the
    next line after it.
    """

    def __init__(self, clock: Callable[[], float], burst: int = 1, period: float = 60.0) -> None:
        self._clock = clock
        self._burst = burst
        self._period = period
        self._began = clock() - period
        self._told = 0
        self._untold = 0

    def one_more(self) -> int | None:
        """Count one more; return None if it has no line, else how many had none since the last line."""
        now = self._clock()
        if now - self._began >= self._period:
            self._began, self._told = now, 0
        if self._told >= self._burst:
            self._untold += 1
            return None
        self._told += 1
        untold, self._untold = self._untold, 0
        return untold
