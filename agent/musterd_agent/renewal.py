"""An agent connects anew although nothing broke, so that it follows a name that moved.

A coordinator's canary connects anew every few sweeps, and where the store's name leads elsewhere by
then, it proves the new way only. An agent would go on beating to its old server while that lives,
and be called silent. So it connects anew itself, often enough that a beat gets the new way in time:
right after a beat, when that costs least, as everything is still in the processor's caches.
"""

from math import inf
from random import Random

LONGEST = 60.0


def longest_pause(interval: float, service_down_time: float) -> float:
    """Return the most seconds from one renewal to the next; the arguments are seconds too.

    That leaves two intervals of a ``service_down_time``: a name may move just after one renewal,
    and the next one comes just after a beat.
    """
    return max(0.0, min(LONGEST, service_down_time) - 2 * interval)


class Renewal:
    """A ``Renewal`` says when one shard's connection is due to be made anew.

    That is at random, so that no fleet does it in step. Instants are of the loop's clock.
    """

    def __init__(self, interval: float, service_down_time: float, rng: Random) -> None:
        self._interval = interval
        self._longest = longest_pause(interval, service_down_time)
        self._rng = rng
        self._at = inf
        self._rests_until = -inf

    def is_due(self, now: float) -> bool:
        """Say whether to connect anew after a beat that got through ``now``.

        It is so when the next beat would be too late. Members that share the shard ask at each of
        their beats: once in half an interval is enough for all of them, however brief
        ``service_down_time`` is.
        """
        due = now + self._interval > self._at and now >= self._rests_until
        if due or self._at == inf:
            self._at = now + self._rng.uniform(0.7, 1.0) * self._longest
        if due:
            self._rests_until = now + self._interval / 2
        return due
