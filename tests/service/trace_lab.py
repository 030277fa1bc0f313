"""A watch of Nova's tables of which a trace is kept; the clocks of conductors and of the rule are in hand."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from musterd.settings.settings import Settings
from musterd.stores import open_store
from musterd.stores.nova.store import Leg, NovaDriver, Rhythm, timed
from musterd.trace.lines import TraceMember
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.sweep.loop import Sweeper, SweepOutcome
from musterd_coordinator.sweep.nova import reader as novareader
from musterd_coordinator.sweep.nova.cells import watched
from musterd_coordinator.tracing.opening import recorder_of
from musterd_coordinator.tracing.recorder import Recorder
from musterd_coordinator.wiring import make_roll
from tests.service.nova_lab import INTERVAL, PERIOD, TIMEOUT, Watch
from tests.trace_reading import lines_in

EPOCH = datetime(2026, 11, 30, 19, tzinfo=UTC).timestamp()
BEGAN = 1000.0  # by the watch's clock

L = TypeVar("L")


@dataclass
class TracedWatch(Watch):
    """A `Watch` of which a trace is kept in the folder `path`.

    The clock of whoever asks by Nova's rule is so many seconds `ahead` of that of its conductors.
    """

    path: Path = field(kw_only=True)
    ahead: float = 0.0

    async def begin(self) -> None:
        settings = Settings(
            store=self.lab.url, storm_min=0, interval=INTERVAL, trace_dir=str(self.path)
        )
        store = open_store(self.lab.url, namespace="musterd", timeout=TIMEOUT, beat_ttl=600.0)
        self.store = await watched(timed(store), Rhythm(INTERVAL, PERIOD))
        clocks = Clocks(lambda: self.now, lambda: self.conductors_wall + self.ahead, lambda: 0.0)
        self.roll = make_roll(settings, self.store, clocks)
        self.answers = Queries(self.roll.view)
        self.reasons: dict[Leg, str] = {}
        self.sweepers = [self._sweeper(shard) for shard in range(len(Leg))]
        recorder = await recorder_of(settings, self.store, self.roll.view)
        assert recorder is not None
        self.recorder: Recorder = recorder

    @property
    def conductors_wall(self) -> float:
        """The clock by which rows are written."""
        return EPOCH + self.now - BEGAN

    @property
    def t(self) -> float:
        """When the newest sweep began, in the trace."""
        return self.now - BEGAN

    def _sweeper(self, shard: int) -> Sweeper:
        driver = self.store.driver
        assert isinstance(driver, NovaDriver)
        cell, leg = driver.legs[shard]
        source = novareader.source_of(cell, leg, TIMEOUT, timed=driver.timed)
        reader = novareader.NovaReader(source, driver, cell, leg, "c1", lambda: self.now)
        return Sweeper(
            *(reader, shard),
            period=PERIOD,
            timeout=TIMEOUT,
            canary_timeout=lambda: TIMEOUT,
            wall=lambda: self.conductors_wall,
        )

    async def reports(self, *, silent: bool) -> None:
        """Those report whose turn this second is; a conductor writes when."""
        del silent
        for topic, hosts in (("conductor", self.conductors), ("compute", self.computes)):
            if due := self._due(hosts):
                await self.lab.order(
                    "UPDATE services SET report_count = report_count + 1,"
                    f" last_seen_up = '{self.instant()}' WHERE topic = '{topic}'"
                    f" AND host IN ({', '.join(map(repr, due))})"
                )

    def instant(self) -> str:
        """What time it is, as it stands in a row."""
        return f"{datetime.fromtimestamp(self.conductors_wall, UTC):%Y-%m-%d %H:%M:%S}"

    async def sweep(self) -> list[SweepOutcome]:
        """Look at both legs once, and record it."""
        outcomes = list[SweepOutcome]()
        for index, sweeper in enumerate(self.sweepers):
            more = True
            while more:
                outcome = replace(await sweeper.once(), begin=self.now, end=self.now)
                more = outcome.roster.more
                self.roll.apply(index, outcome)
                for _ in self.recorder.note(index, outcome):
                    pass
            outcomes.append(outcome)
            self.reasons[list(Leg)[index]] = outcome.reason
        for _ in self.recorder.work():
            pass
        return outcomes

    def lines(self, kind: type[L]) -> list[L]:
        """All lines of one kind."""
        self.recorder._writer.flush()
        return lines_in(self.path, kind)

    def number(self, host: str) -> int:
        """By which number a host goes in the trace."""
        return next(line.id for line in self.lines(TraceMember) if line.name == host)
