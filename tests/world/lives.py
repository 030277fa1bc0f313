"""What really became of each member, as the world knows it: what may excuse a verdict on it."""

from math import inf

LEFT = "left"
GONE = frozenset({"down", LEFT})


class Life:
    """One member's truth. ``closed`` are stretches in which it alone could not be heard, or was dead.

    ``slack`` are the seconds that such a stretch goes on after its end: until its next push is over.
    """

    def __init__(self, slack: float, shards: tuple[int, ...]) -> None:
        self.shards = shards
        self.alive = False
        self.taken: list[float] = []  # when its beats were acknowledged
        self.farewell: set[int] = set(shards)  # shards that may still have its goodbye
        self.farewell_over = -inf
        self._closed: list[tuple[float, float]] = []
        self._died_at = 0.0
        self._slack = slack
        self.said_goodbye = False

    def close(self, begin: float, end: float) -> None:
        """Note that its way alone was closed."""
        self._closed.append((begin, end + self._slack))

    def die(self, now: float, *, goodbye: bool = False) -> None:
        """Note that its agent ends, and whether it says so."""
        self.alive, self._died_at = False, now
        self.said_goodbye = goodbye
        if goodbye:
            self.farewell = set(self.shards)

    def begin(self, now: float) -> None:
        """Note that an agent runs again."""
        self.alive = True
        self.close(self._died_at, now)

    def took(self, shard: int, now: float) -> None:
        """Note that a shard acknowledged a beat that says no goodbye."""
        self.taken.append(now)
        if self.farewell:
            self.farewell.discard(shard)
            if not self.farewell:
                self.farewell_over = now

    def excuse(self, now: float, lag: float) -> float:
        """Return for how long it was closed since what was heard of it ``lag`` seconds ago."""
        if self.said_goodbye and (self.farewell or now < self.farewell_over + lag + self._slack):
            return inf
        heard = max((at for at in self.taken if at <= now - lag), default=0.0)
        ends = [*self._closed, *([] if self.alive else [(self._died_at, inf)])]
        spans = sorted((max(heard, begin), min(now, end)) for begin, end in ends)
        total, reached = 0.0, heard
        for begin, end in spans:
            total += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return total
