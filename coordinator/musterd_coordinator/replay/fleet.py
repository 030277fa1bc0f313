"""A `RecordedFleet` beats as the members of a recording did: once an interval, but in silences. Pure."""

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd_coordinator.judge.members import Mask, Rows, Seconds
from musterd_coordinator.judge.sweep import News
from musterd_coordinator.replay.script import Part
from musterd_coordinator.sweep.columns import Beats


class Cues:
    """`Cues` are what befalls members by row, each at its time, in order."""

    def __init__(self, at: Sequence[tuple[float, int]]) -> None:
        order = sorted(range(len(at)), key=at.__getitem__)
        self.order: Rows = np.array(order, np.int64)
        """The place in ``at`` of each cue."""
        self.row: Rows = np.array([at[each][1] for each in order], np.int64)
        self._time: Seconds = np.array([at[each][0] for each in order], np.float64)
        self._next = 0

    @property
    def next_at(self) -> float:
        """Return when the next one is due; inf: never."""
        return self._time.item(self._next) if self._next < len(self._time) else inf

    def due(self, now: float) -> slice:
        """Return those that are due by ``now`` and were not before."""
        first, self._next = self._next, int(np.searchsorted(self._time, now, "right"))
        return slice(first, max(first, self._next))


class RecordedFleet:
    """A `RecordedFleet` has a row for each of ``parts``, in their order; time is that of the recording.

    ``silent`` says who is in a silence now that was recorded.
    """

    def __init__(self, parts: Sequence[Part], first: float) -> None:
        count = len(parts)
        self._interval: Seconds = np.array([each.interval for each in parts], np.float64)
        self._next: Seconds = np.array([each.begins for each in parts], np.float64)
        self._sequence, self._incarnation = np.zeros(count, np.uint64), np.ones(count, np.uint64)
        self._status = np.full(count, Status.OK, np.uint8)
        self._starts_anew = np.zeros(count, np.bool_)  # with its next beat
        self.silent: Mask = self._next > first + self._interval  # or not there yet
        self._read_silences(parts)
        self._read_claims(parts)
        self._fall_silent(self._silences.due(first))

    def _read_silences(self, parts: Sequence[Part]) -> None:
        silences = [(row, each) for row, part in enumerate(parts) for each in part.silences]
        self._silences = Cues([(each.last, row) for row, each in silences])
        ends = [inf if each.until is None else each.until for _, each in silences]
        self._until: Seconds = np.array(ends, np.float64)[self._silences.order]
        restarted = [each.restarted for _, each in silences]
        self._restarted: Mask = np.array(restarted, np.bool_)[self._silences.order]

    def _read_claims(self, parts: Sequence[Part]) -> None:
        claims = [(row, each) for row, part in enumerate(parts) for each in part.claims]
        self._claims = Cues([(each.t, row) for row, each in claims])
        said: NDArray[np.uint8] = np.array([each.status for _, each in claims], np.uint8)
        self._claimed = said[self._claims.order]

    @property
    def next_at(self) -> float:
        """Return when anything happens next but that those who beat go on to; inf: never."""
        returns = float(self._next[self.silent].min(initial=inf))
        return min(self._silences.next_at, self._claims.next_at, returns)

    def beat(self, now: float) -> News:
        """Return the rows that beat since they were last asked, and their newest beats."""
        beats: Mask = self._next <= now
        claims, silences = self._claims.due(now), self._silences.due(now)
        who, said = self._claims.row[claims], self._claimed[claims]
        self._status[who] = said
        beats[who[said != Status.OK]] = True
        beats[self._silences.row[silences]] = True
        rows = np.flatnonzero(beats)
        self._go_on(rows, now)
        news = rows, self._beats(rows)
        self._fall_silent(silences)
        return news

    def remove(self, rows: Rows) -> None:
        """Let ``rows`` beat no more, for good."""
        self._next[rows] = inf
        self.silent[rows] = True

    def _go_on(self, rows: Rows, now: float) -> None:
        """Let ``rows`` beat, and be due an interval later."""
        anew = rows[self._starts_anew[rows]]
        self._incarnation[anew] += np.uint64(1)
        self._sequence[anew] = 0
        self._starts_anew[anew] = False
        self._sequence[rows] += np.uint64(1)
        self.silent[rows] = False
        late = np.maximum(0.0, np.floor((now - self._next[rows]) / self._interval[rows]))
        late[~np.isfinite(late)] = 0.0
        self._next[rows] = np.minimum(self._next[rows], now) + (1 + late) * self._interval[rows]

    def _fall_silent(self, which: slice) -> None:
        """Let silences begin, each with the beat before it."""
        rows = self._silences.row[which]
        self._next[rows] = self._until[which]
        self._starts_anew[rows] = self._restarted[which]
        self.silent[rows] = True

    def _beats(self, rows: Rows) -> Beats:
        interval_ms = np.round(self._interval[rows] * 1000).astype(np.uint32)
        nothing = np.zeros(len(rows), np.uint32)
        return Beats(
            slot=rows,
            member_id=rows.astype(np.uint64),
            incarnation=self._incarnation[rows],
            sequence=self._sequence[rows],
            interval_ms=interval_ms,
            status=self._status[rows],
            sent_ms=nothing.astype(np.int64),
            missed=nothing.astype(np.uint16),
            push_timeout_ms=nothing.astype(np.uint16),
            lag_ms=nothing,
        )
