"""The module measures one stretch of time in which a swarm beats."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic

import anyio

from benchmarks.load import orders, tables
from benchmarks.load.costs import Sample, Spent, memory, sample, spent
from benchmarks.load.field import Field
from benchmarks.load.fleet import name_of
from benchmarks.load.judge import Strain, Verdicts, judge
from benchmarks.load.settings import Settings
from benchmarks.load.tables import Wear
from benchmarks.load.tally import Tally
from benchmarks.load.watch import Poll

CORES = len(os.sched_getaffinity(0))

PARTS = 10
"""Parts of a stretch, each with its own figures of CPU, so that the cost of its beginning shows."""

PATIENCE = 30.0
"""Seconds that members which were stopped may take to be found after the end, on a busy machine."""

GLANCE = 0.5
"""Seconds from one look at the workers' counts to the next."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A `Glance` is what a progress bar may show.

    ``seconds`` is how much is measured so far, ``rate`` is in beats a second.
    """

    seconds: float
    rate: float
    tally: Tally
    status: Poll | None
    changes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A `Measured` is what was seen in one stretch; ``spent`` in each part of it.

    ``tally`` is what was counted by its end, and ``settled`` once the last replies had come.
    ``rates`` are beats a second, one value for each glance. ``memory`` is in bytes by role.
    """

    tally: Tally
    settled: Tally
    rates: Sequence[float]
    spent: Sequence[Spent]
    memory: dict[str, int]
    polls: Sequence[Poll]
    verdicts: Verdicts
    wear: Wear | None
    overrun: bool

    @property
    def sweeps(self) -> list[float]:
        """Return the seconds of the newest sweep at each poll, of the slowest shard."""
        shards = [poll.status.shards for poll in self.polls if poll.status]
        slowest = [
            max((shard.sweep_seconds or 0.0 for shard in some), default=0) for some in shards
        ]
        return [seconds for seconds in slowest if seconds]

    @property
    def canaries(self) -> list[float]:
        """Return the seconds of the newest canary's round trip at each poll, of the slowest shard."""
        shards = [poll.status.shards for poll in self.polls if poll.status]
        return [max((shard.canary_seconds or 0.0 for shard in some), default=0) for some in shards]

    def sweeps_late(self, period: float) -> float:
        """Return the share of sweeps that were not proven or outlasted ``period`` (seconds)."""
        answered = [poll.status for poll in self.polls if poll.status]
        if len(answered) < 2:
            return 1.0
        pairs = list(zip(answered[0].shards, answered[-1].shards, strict=True))
        unproven = sum(late.unproven_sweeps - early.unproven_sweeps for early, late in pairs)
        proven = sum(late.sweeps - early.sweeps for early, late in pairs)
        slow = sum(seconds > period for seconds in self.sweeps) / max(1, len(self.sweeps))
        return max(slow, unproven / max(1, proven + unproven))

    @property
    def roles(self) -> list[str]:
        """Return the roles with a measured CPU."""
        return list(self.spent[0].cores)

    @property
    def servers(self) -> list[str]:
        """Return the roles that are servers."""
        return [role for role in self.roles if role not in ("generator", "coordinator")]

    def strain(self, settings: Settings) -> Strain:
        """Return how busy everything was."""
        server = self.servers
        threads = settings.threads if "memcached" in server else CORES
        return Strain(
            late=(self.tally.late + self.tally.skipped) / max(1, self.tally.due),
            generator=self._usual(lambda part: max(part.cores["generator"])),
            server=self._usual(lambda part: sum(map(part.total, server))) if server else None,
            server_threads=threads,
            coordinator=self._usual(lambda part: part.total("coordinator")),
            sweeps_late=self.sweeps_late(settings.sweep_period),
            machine=self._usual(lambda part: part.machine),
        )

    def _usual(self, value: Callable[[Spent], float]) -> float:
        return statistics.median(map(value, self.spent))


class Stretch:
    """A `Stretch` measures one stretch."""

    def __init__(self, field: Field, settings: Settings, show: Callable[[Glance], None]) -> None:
        self._field = field
        self._settings = settings
        self._show = show
        self._rates: list[float] = []
        self._stopped: dict[str, float] = {}
        self._samples: list[Sample] = []
        self._polls = len(field.watch.polls)
        self._changes = len(field.watch.changes)

    async def measure(self) -> Measured:
        """Measure for the settings' duration, stopping members on the way if they say so."""
        field, url = self._field, self._field.stage.tables
        before = await tables.look(url) if url else None
        async with anyio.create_task_group() as tasks:
            if field.up and field.watch.latest is not None:
                tasks.start_soon(field.watch.follow, field.watch.latest.version)
            await field.crew.measure()
            await self._watch_beats()
            tally = field.crew.tally()
            polls, held = field.watch.polls[self._polls :], memory(field.roles)
            await self._wait_for_verdicts()
            changes = field.watch.changes[self._changes :]
            settled = await self._settle()
            tasks.cancel_scope.cancel()
        after = await tables.look(url) if url else None
        return Measured(
            tally=tally,
            settled=settled,
            rates=self._rates,
            spent=[spent(one, other) for one, other in pairwise(self._samples)],
            memory=held,
            polls=polls,
            verdicts=judge(changes, self._stopped),
            wear=tables.wear(before, after, settled.through) if before and after else None,
            overrun=field.watch.overrun,
        )

    async def _watch_beats(self) -> None:
        """Look at the beats until the time is over."""
        self._samples = [sample(self._field.roles)]
        through, since = 0, (began := self._samples[0].at)
        while (now := monotonic()) < began + self._settings.duration:
            await anyio.sleep(min(GLANCE, began + self._settings.duration - now))
            if not self._stopped and monotonic() - began >= self._settings.stop_at:
                await self._stop_members()
            tally, now = self._field.crew.tally(), monotonic()
            self._rates.append((tally.through - through) / (now - since))
            through, since = tally.through, now
            self._show(self._glance(now - began, tally))
            if now - began >= len(self._samples) * self._settings.duration / PARTS:
                self._samples.append(sample(self._field.roles))

    async def _stop_members(self) -> None:
        numbers = self._settings.stopped
        if numbers:
            await self._field.crew.order(orders.StopMembers(numbers))
            self._stopped = dict.fromkeys(map(name_of, numbers), time.time())

    async def _wait_for_verdicts(self) -> None:
        """Wait until all stopped members are found, even late; lateness is a figure of its own."""
        watch, deadline = self._field.watch, monotonic() + PATIENCE
        if not self._field.up or watch.latest is None:
            return
        while judge(watch.changes[self._changes :], self._stopped).missed:
            if monotonic() > deadline:
                return
            await anyio.sleep(GLANCE)

    async def _settle(self) -> Tally:
        """Return the last word on all beats: when the replies have come, or their time is over.

        In a ramp the swarm beats on, so that there is no last one.
        """
        if not self._settings.ramp:
            await self._field.crew.order(orders.Rest())
        deadline = monotonic() + self._settings.push_timeout + 2 * GLANCE
        tally = self._field.crew.tally()
        while not self._settings.ramp and monotonic() < deadline:
            await anyio.sleep(GLANCE)
            earlier, tally = tally, self._field.crew.tally()
            if not tally.unanswered and tally.sent == earlier.sent:
                break
        return tally

    def _glance(self, seconds: float, tally: Tally) -> Glance:
        polls, changes = self._field.watch.polls, self._field.watch.changes
        return Glance(
            seconds, self._rates[-1], tally, polls[-1] if polls else None,
            len(changes) - self._changes,
        )  # fmt: skip
