"""The module keeps millions of latencies in a few kilobytes: counts in buckets of equal ratio.

It is the only histogram: the other benchmarks have few enough values to keep them all and take exact
percentiles of them, and a relay, which says how late it answers, keeps the longest alone.
"""

from collections.abc import Sequence
from math import ceil, inf, log

import numpy as np

LEAST = 1e-6
"""Seconds; what is less counts as this."""

RATIO = 1.02
"""The factor from a bucket's edge to the next: percentiles are at most 2 % too large."""

BUCKETS = ceil(log(1000 / LEAST) / log(RATIO))

_LOG_RATIO = log(RATIO)


class Latencies:
    """A `Latencies` is a histogram of latencies in seconds; ``longest`` is exact."""

    def __init__(self, counts: Sequence[int] = (), longest: float = 0.0) -> None:
        self.counts = np.zeros(BUCKETS, np.int64)
        self.counts[: len(counts)] = counts
        self.longest = longest

    def add(self, seconds: float, times: int = 1) -> None:
        """Count ``times`` latencies of ``seconds``."""
        bucket = ceil(log(max(seconds, LEAST) / LEAST) / _LOG_RATIO)
        self.counts[min(bucket, BUCKETS - 1)] += times
        self.longest = max(self.longest, seconds)

    def percentile(self, percent: float) -> float:
        """Return the seconds within which ``percent`` of them were; NaN when there were none."""
        total = int(self.counts.sum())
        if not total:
            return float("nan")
        rank = max(1, ceil(percent / 100 * total))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        edge = LEAST * RATIO**bucket if bucket < BUCKETS - 1 else inf
        return min(edge, self.longest)

    def __add__(self, other: "Latencies") -> "Latencies":
        both = Latencies(longest=max(self.longest, other.longest))
        both.counts = self.counts + other.counts
        return both
