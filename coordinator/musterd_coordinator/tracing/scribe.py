"""The scribe puts what was noted of sweeps into lines of a trace, in steps; it names members as they come."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.trace.lines import GONE, NOT_SEATED, TraceHeader, TraceLine, TraceMember, VerdictChange
from musterd.trace.writer import TraceWriter
from musterd_coordinator.judge.members import NO_SHARD, Mask, Rows, Seconds
from musterd_coordinator.process import pages
from musterd_coordinator.roll.traced import MemberColumns, TracedRows
from musterd_coordinator.tracing.book import Lives
from musterd_coordinator.tracing.names import TraceNames

AT_ONCE = 250
"""Lines about members in one step: a millisecond or less."""

MOST_WAITING = 2_000_000
"""Lines about members that may wait to be put into words; beyond it they are lost."""

Job = Iterator[None]
LinesOf = Callable[[slice], Iterable[TraceLine]]


class Subjects(NamedTuple):
    """`Subjects` are members: the ``rows`` (n) that they had when something was noted, and their numbers."""

    rows: Rows
    ids: Lives


class Scribe:
    """A `Scribe` gives lines to ``writer``; ``began`` is the monotonic clock at the run's start.

    What is noted is written in its order, by whoever goes through :meth:`work`.
    """

    def __init__(
        self,
        traced: TracedRows,
        writer: TraceWriter,
        names: TraceNames,
        began: float,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.names = names
        self.bytes = 0
        """Bytes of lines since the newest file began, but for what it repeats."""
        self._traced = traced
        self._writer = writer
        self._began = began
        self._jobs = deque[Job]()
        self._waiting, self._most_waiting = 0, most_waiting
        self._named: NDArray[np.bool_] = np.zeros(0, np.bool_)  # by number, in the newest file

    def t(self, at: float) -> float:
        """Return an instant of the monotonic clock as lines have it."""
        return round(at - self._began, 2)

    def times(self, at: Seconds) -> list[float]:
        """Return instants (n) as lines have them."""
        times: list[float] = np.round(at - self._began, 2).tolist()
        return times

    def say(self, lines: Iterable[TraceLine]) -> None:
        """Note lines that name no member, where there are any."""
        if some := list(lines):
            self._jobs.append(self._say(some))

    def tell(self, subjects: Subjects, lines: LinesOf) -> None:
        """Note lines about members (n), one for each; ``lines`` makes those of a part of them."""
        if not len(subjects.rows):
            return
        if self._waiting + len(subjects.rows) > self._most_waiting:
            self._writer.lose(len(subjects.rows))
            return
        self._waiting += len(subjects.rows)
        self._jobs.append(self._tell(subjects, lines))

    def farewell(self, ids: Lives, at: float) -> None:
        """Note that members are gone, where anything was said of them in this file."""
        if len(ids):
            self._jobs.append(self._farewell(ids.tolist(), self.t(at)))

    def work(self) -> Iterator[None]:
        """Write all that was noted, in steps."""
        while self._jobs:
            yield from self._jobs.popleft()

    def begin_file(self, header: TraceHeader) -> None:
        """Begin another file, in which nobody is named yet."""
        self._writer.begin(header)
        self._named[:] = False

    def _say(self, lines: Sequence[TraceLine]) -> Job:
        self._write(lines)
        yield

    def _tell(self, subjects: Subjects, lines: LinesOf) -> Job:
        for begin in range(0, len(subjects.rows), AT_ONCE):
            some = slice(begin, begin + AT_ONCE)
            known = self._introduce(subjects.rows[some], subjects.ids[some])
            self._write(list(compress(lines(some), known.tolist())))
            self._waiting -= len(known)
            yield

    def _farewell(self, ids: Sequence[int], t: float) -> Job:
        named = [each for each in ids if each < len(self._named) and self._named[each]]
        self._write([VerdictChange(t, each, GONE) for each in named])
        yield

    def _introduce(self, rows: Rows, ids: Lives) -> Mask:
        """Name members that this file does not know; say who is known then: not those that are gone."""
        self._named = pages.with_room(self._named, int(ids.max()) + 1)
        known = self._named[ids]
        if known.all():
            return known
        now = self._traced.columns()
        here = (rows < len(now.life)) & (now.life[np.minimum(rows, len(now.life) - 1)] == ids)
        new = np.flatnonzero(here & ~known)
        self._write([self._member(now, row) for row in rows[new].tolist()])
        self._named[ids[new]] = True
        known[new] = True
        return known

    def _member(self, now: MemberColumns, row: int) -> TraceMember:
        number = now.life.item(row)
        group, zone = self._traced.zone(now.zone.item(row))
        shards = [shard for shard in now.shard[:, row].tolist() if shard != NO_SHARD]
        return TraceMember(
            number,
            group,
            self.names.member(number, self._traced.name(row)),
            self.names.zone(zone),
            shards[0] if shards else NOT_SEATED,
            round(now.interval.item(row), 3),
            tuple(shards[1:]),
        )

    def _write(self, lines: Sequence[TraceLine]) -> None:
        self.bytes += self._writer.write(lines)
