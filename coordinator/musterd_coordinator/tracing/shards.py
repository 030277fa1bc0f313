"""What sweeps of a shard are like is noted for a trace where it changes. Pure."""

from collections.abc import Iterator

from musterd.trace.lines import ShardTurn, TraceEvent, TraceLine
from musterd.trace.words import DeafKind, EventKind, ShardEnd
from musterd_coordinator.judge.listening import LONGEST_STEP
from musterd_coordinator.sweep.loop import SweepOutcome


def end_of(swept: SweepOutcome, *, listening: bool) -> tuple[ShardEnd, DeafKind | None]:
    """Return how a sweep ended, and why it proves nothing where it does not.

    ``listening`` says whether its shard is, since then.
    """
    batch = swept.sweep
    if listening:
        return ShardEnd.OK, None
    if swept.proven:
        return ShardEnd.DEAF, DeafKind.SLOW
    if swept.roster.more:
        return ShardEnd.DEAF, DeafKind.STARTING
    if batch is None:
        return ShardEnd.DEAF, DeafKind.AWAY
    if not batch.complete:
        return ShardEnd.PARTIAL, DeafKind.AWAY
    spoiled = swept.spoiled.reason if swept.spoiled else ""
    kinds = {
        batch.unproven: DeafKind.CHALLENGE,
        spoiled: DeafKind.SPOILED,
        batch.doubt: DeafKind.DOUBT,
    }
    return ShardEnd.DEAF, kinds.get(swept.reason, DeafKind.CANARY)


class ShardNotes:
    """A `ShardNotes` has what was noted last of one shard, which is swept each ``period`` seconds.

    ``began`` is when the run did, by the same monotonic clock as sweeps.
    """

    def __init__(self, shard: int, period: float, began: float) -> None:
        self._shard = shard
        self._period = period
        self._began = began
        self._last: SweepTimes | None = None
        self._doubt = False
        self.turn: ShardTurn | None = None

    def note(self, swept: SweepOutcome, *, listening: bool) -> Iterator[TraceLine]:
        """Yield what is new with a sweep."""
        t, last = self._t(swept.begin), self._last
        self._last = swept.begin, swept.end
        if last is not None and swept.begin - last[1] > LONGEST_STEP * self._period:
            yield TraceEvent(t, self._shard, EventKind.PAUSE, {"since": self._t(last[0])})
        how, kind = end_of(swept, listening=listening)
        if self.turn is None or (how, kind or "") != (self.turn.how, self.turn.kind):
            self.turn = ShardTurn(t, self._shard, how, kind or "", self._period)
            yield self.turn
        if swept.sweep is not None and bool(swept.sweep.doubt) is not self._doubt:
            self._doubt = not self._doubt
            yield TraceEvent(
                t, self._shard, EventKind.DOUBT if self._doubt else EventKind.DOUBT_OVER
            )

    def _t(self, at: float) -> float:
        return round(at - self._began, 2)


SweepTimes = tuple[float, float]
"""When a sweep began and ended."""
