"""A small fleet under a real detector, in simulated time, and the lines that a recorder would write of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from musterd.trace.folder import TraceFolder
from musterd.trace.lines import (
    HeadCount,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceHeader,
    TraceLine,
    TraceMember,
    VerdictChange,
)
from musterd.trace.recording import Recording, Span, Stretch
from musterd.trace.words import Rule, ShardEnd
from musterd.trace.writer import TraceWriter
from musterd_coordinator.judge.members import STATES, Code
from musterd_coordinator.judge.transitions import Cause
from tests.unit.fleet import Fleet

INTERVAL, DOWN_TIME, PERIOD = 10.0, 60.0, 1.0
LONG = 1.5 * INTERVAL
AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
RUN = "20261124T060000Z"


def header(**changes: Any) -> TraceHeader:
    """The header of a run."""
    settings = {
        "service_down_time": DOWN_TIME,
        "interval": INTERVAL,
        "sweep_period": PERIOD,
        "storm_min": 5,
        "storm_fraction": 1 / 3,
        "storm_hold": 2 * DOWN_TIME,
        "sweep_timeout": 2.0,
        "push_timeout": 8.0,
    } | changes.pop("settings", {})
    given: dict[str, Any] = {
        "run": RUN,
        "at": AT,
        "t": 0.0,
        "musterd": "1",
        "settings": settings,
        "source": "memcached",
        "shards": ["mc1"],
        "anonymous": False,
        "rules": [Rule.DB],
    }
    return TraceHeader(**given | changes)


@dataclass
class Silent:
    """A member that beats not from ``begin`` to ``end``; ``restarted``: another run comes back."""

    member: int
    begin: float
    end: float = inf
    restarted: bool = False


@dataclass
class Tale:
    """What befalls ``members`` within ``seconds``: silences, outages of the store, and steps of our clock."""

    members: int = 12
    seconds: float = 600.0
    silences: Sequence[Silent] = ()
    outages: Sequence[Span] = ()
    clock: Sequence[tuple[float, float]] = ()  # from when on, by how many seconds it is wrong
    storm_min: int = 0

    @property
    def header(self) -> TraceHeader:
        """The header of its trace."""
        return header(settings={"storm_min": self.storm_min})


class Tape:
    """The lines of a tale, as a coordinator that lived it would have recorded it."""

    def __init__(self, tale: Tale) -> None:
        self.tale = tale
        self.lines: list[TraceLine] = [
            TraceMember(row, "compute", f"h{row:02}", "az1", 0) for row in range(tale.members)
        ]
        self._fleet = Fleet(
            period=PERIOD,
            storm_min=tale.storm_min,
            service_down_time=DOWN_TIME,
            interval=INTERVAL,
            storm_hold=2 * DOWN_TIME,
        )
        self._rows = self._fleet.add(tale.members, state=Code.UP)
        self._fleet.detector.members.first_heard[self._rows] = -inf
        self._fleet.now = 0.0
        self._sequence = [0] * tale.members
        self._incarnation = [1] * tale.members
        self._heard = [-inf] * tale.members
        self._said = dict.fromkeys(range(tale.members), True)
        self._was_open: bool | None = None
        self.lines += (VerdictChange(0.0, row, "up", "beat") for row in self._rows)
        self._live()

    @property
    def stretch(self) -> Stretch:
        """What a reader makes of it."""
        recording = Recording(self.tale.header)
        recording.add(self.lines)
        return recording.finish()

    def write(self, folder: Path) -> None:
        """Write it as a recorder does."""
        writer = TraceWriter(TraceFolder(folder, 256_000_000), self.tale.header.run)
        writer.begin(self.tale.header)
        writer.write(self.lines)
        writer.close()

    def _live(self) -> None:
        for tick in range(round(self.tale.seconds / PERIOD) + 1):
            self._sweep(tick * PERIOD)
        end = self.tale.seconds
        self.lines += (
            StillSilent(end, row, last)
            for row, last in enumerate(self._heard)
            if -inf < last < end - LONG
        )
        self.lines.append(HeadCount(end, self.tale.members, 0))

    def _sweep(self, now: float) -> None:
        fleet, is_open = self._fleet, not any(a <= now < b for a, b in self.tale.outages)
        fleet.now = now
        if is_open is not self._was_open:
            self._was_open = is_open
            self.lines.append(ShardTurn(now, 0, ShardEnd.OK if is_open else ShardEnd.DEAF))
        news = []
        for row in self._beating(now) if is_open else ():
            self._hear(row, now)
            how = {"incarnation": self._incarnation[row], "interval": INTERVAL, "push_timeout": 8.0}
            news.append(fleet.news([row], self._sequence[row], **how))  # type: ignore[arg-type]  # as they are
        for changes in fleet.take(news, proven=is_open):
            for row, old, new, cause in zip(
                *(changes.rows.tolist(), changes.old.tolist(), changes.new.tolist()),
                changes.cause.tolist(),
                strict=True,
            ):
                if old != new:
                    word = Cause(cause).name.lower()
                    self.lines.append(VerdictChange(now, row, STATES[new].value, word))
        if is_open:
            self._ask_nova(now)

    def _beating(self, now: float) -> list[int]:
        return [row for row in self._rows if self._beats(row, now)]

    def _beats(self, row: int, now: float) -> bool:
        if int(now - row) % int(INTERVAL):
            return False
        return not any(s.member == row and s.begin <= now < s.end for s in self.tale.silences)

    def _hear(self, row: int, now: float) -> None:
        last, self._heard[row] = self._heard[row], now
        before = [s for s in self.tale.silences if s.member == row and s.end <= now]
        run = 1 + sum(s.restarted for s in before)
        restarted, self._incarnation[row] = run != self._incarnation[row], run
        self._sequence[row] += 1
        if last > -inf and now - last > LONG:
            self.lines.append(SilenceEnded(now, row, last, "restart" if restarted else ""))

    def _ask_nova(self, now: float) -> None:
        wrong = sum(by for since, by in self.tale.clock if now >= since)
        for row, last in enumerate(self._heard):
            age = now + wrong - last
            alive = abs(age) <= DOWN_TIME
            if last > -inf and alive is not self._said[row]:
                self._said[row] = alive
                self.lines.append(RuleChange(now, row, Rule.DB, int(alive), age))


MEMBERS = 8

_begins = st.integers(0, 700).map(float)
_silences = st.builds(
    lambda member, begin, length, restarted: Silent(member, begin, begin + length, restarted),
    st.integers(0, MEMBERS - 1),
    _begins,
    st.integers(20, 400).map(float),
    st.booleans(),
)
_outages = st.builds(
    lambda begin, length: (begin, begin + length), _begins, st.integers(2, 150).map(float)
)
tales = st.builds(
    Tale,
    members=st.just(MEMBERS),
    seconds=st.just(1000.0),
    silences=st.lists(_silences, max_size=8),
    outages=st.lists(_outages, max_size=3),
    storm_min=st.sampled_from([0, 5]),
)
"""Whatever befalls eight members within a quarter of an hour."""
