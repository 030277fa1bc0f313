"""A roll with sweeps in the test's hands, and a recorder that keeps a trace of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from musterd.trace.folder import TraceFolder
from musterd.trace.words import Rule
from musterd.trace.writer import TraceWriter
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.sweep.base import LastSeen, Roster
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.tracing.heading import Heading
from musterd_coordinator.tracing.names import TraceNames
from musterd_coordinator.tracing.recorder import Recorder
from tests.trace_reading import lines_in
from tests.unit.stage import Signed, Stage, host

RUN = "20231114T221320Z"
LARGE = 100_000_000

L = TypeVar("L")


class TraceStage(Stage):
    """A `Stage` of half a second a sweep, of which a trace is kept in `folder`.

    Its t is what has gone by since `self.began`.
    """

    def __init__(
        self,
        path: Path,
        *,
        rule: Rule | None = None,
        shards: int = 1,
        anonymous: bool = False,
        most: int = LARGE,
        folder: TraceFolder | None = None,
    ) -> None:
        super().__init__(shards, watched=rule is Rule.DB)
        self.folder = folder or TraceFolder(path, most)
        self.writer = TraceWriter(self.folder, RUN)
        heading = Heading(
            run=RUN,
            at=wall_instant(self.wall),
            settings={"service_down_time": 4.0},
            source="memory",
            shards=[shard.name for shard in self.roll.view.hearing.shards],
            rules=[rule] * shards,
            names=TraceNames(anonymous=anonymous),
        )
        self.began = self.now
        self._sent = dict[int, float]()
        self.recorder = Recorder(self.roll.view, self.writer, heading, period=0.5, interval=1.0)
        self.write()

    @property
    def t(self) -> float:
        """When the newest sweep began."""
        return round(self.now - self.began, 2)

    def take(self, shard: int, swept: SweepOutcome) -> None:
        """Have a sweep taken in, noted and written."""
        super().take(shard, swept)
        for _ in self.recorder.note(shard, swept):
            pass
        self.write()

    def write(self) -> None:
        """Write what was noted."""
        for _ in self.recorder.work():
            pass
        self.writer.flush()

    def go_on(
        self, beats: dict[int, int], sweeps: int, seen: dict[int, float] | None = None
    ) -> None:
        """Sweep; those in `beats` (slots, with their next sequence) beat each second.

        `seen` is how long ago they were last seen up, as their rows say.
        """
        for at in range(sweeps):
            if at % 2 == 0:
                self._sent |= dict.fromkeys(beats, self.wall + 0.5)
                for slot in beats:
                    beats[slot] += 1
            more: Signed = {"sent": self._sent}
            if seen is not None:
                more["last_seen"] = self.last_seen(seen)
            self.sweep({slot: (7, sequence) for slot, sequence in beats.items()}, **more)

    def last_seen(self, ages: dict[int, float]) -> LastSeen:
        """What rows say that are of these ages when they are read."""
        at = self.wall + 0.5 + 0.01 - np.array(list(ages.values()), np.float64)
        return LastSeen(np.array(list(ages), np.int64), at)

    def away(self, shard: int = 0) -> None:
        """Sweep a shard that does not answer."""
        self.now += 0.5
        self.wall += 0.5
        times = self.now, self.now + 0.01
        self.take(shard, SweepOutcome(*times, False, "away", Roster(), None, None, 0.01))

    def join(self, *names: str) -> dict[int, int]:
        """Members join, and beat first by the next sweep; return their slots with sequences."""
        self.sweep()
        seated = tuple((slot, host(name, zone="az1")) for slot, name in enumerate(names))
        self.sweep(seated=seated)
        return dict.fromkeys(range(len(names)), 0)

    def end(self) -> None:
        """End the run."""
        for _ in self.recorder.finish():
            pass
        self.writer.close()

    def of(self, kind: type[L]) -> Sequence[L]:
        """All lines of one kind."""
        return lines_in(self.folder.path, kind)
