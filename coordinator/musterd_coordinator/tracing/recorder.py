"""The recorder keeps a trace while its coordinator runs, and is in the way of no verdict.

What each sweep changed is noted at once, in columns. A task of its own puts it into words, in steps, and
another has it written by a thread.
"""

from collections.abc import Iterator, Sequence

import anyio
import anyio.lowlevel
import structlog
from anyio import to_thread

from musterd.settings.settings import Settings
from musterd.trace.lines import TraceEvent
from musterd.trace.words import EventKind, Rule
from musterd.trace.writer import TraceWriter
from musterd_coordinator.limits.seldom import Seldom
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.tracing.heading import Heading, deciding
from musterd_coordinator.tracing.notes import SweepNotes
from musterd_coordinator.tracing.scribe import Scribe

log = structlog.get_logger(__name__)

WRITE_PERIOD = 1.0
"""Seconds from one write to the next."""

COUNT_PERIOD = 60.0
"""Seconds from one count of all members to the next: they show that the recorder lives.

As much of the end of a coordinator that was killed counts as not watched, and no more.
"""

FILE_SECONDS = 86_400.0
"""Seconds after which another file begins, however small the one before is."""

RETRY_PERIOD = 30.0
"""Seconds until a file is begun again after one could not be written."""

CLOSE_TIMEOUT = 5.0
"""Seconds that the end of a coordinator may wait for the last lines."""


class Recorder:
    """A `Recorder` keeps the trace of one run, which begins now by the clocks of ``view``."""

    def __init__(
        self,
        view: RollView,
        writer: TraceWriter,
        heading: Heading,
        *,
        period: float,
        interval: float,
    ) -> None:
        self._clock = view.clocks.monotonic
        self._figures = view.figures
        self._writer = writer
        self._heading = heading
        began = self._clock()
        self._scribe = Scribe(view.traced, writer, heading.names, began)
        self._notes = SweepNotes(
            *(view, self._scribe, heading.rules), began=began, period=period, interval=interval
        )
        self._fault = Seldom("sweep not recorded", self._clock)
        self._begun_at: float | None = None  # the newest file
        self._count_due = began
        self._is_renewed = False
        self._lost = 0

    def note(self, index: int, swept: SweepOutcome) -> Iterator[None]:
        """Note in steps a sweep of shard ``index`` that the roll has taken in; never fail."""
        try:
            yield from self._notes.note(index, swept)
        except Exception as error:  # noqa: BLE001 (a fault here is not worth a sweep)
            self._fault.warn(reason=f"fault in the recorder: {error!r}")

    def adopt(self, settings: Settings) -> None:
        """Begin another file, the header of which has other ``settings``."""
        self._heading.settings = deciding(settings)
        self._is_renewed = True

    def add_shards(self, names: Sequence[str]) -> None:
        """Begin to record more shards of Nova's, in a file with their ``names``."""
        rules = [Rule.DB] * len(names)
        self._heading.shards = [*self._heading.shards, *names]
        self._heading.rules = [*self._heading.rules, *rules]
        self._notes.add_shards(rules)
        for _ in self._begin_file():  # before anything is said of them
            pass

    async def run(self) -> None:
        """Write what is noted, until cancelled; then end the run."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_working)
                tasks.start_soon(self._keep_flushing)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_TIMEOUT):
                await _through(self.finish())
                await to_thread.run_sync(self._writer.close, abandon_on_cancel=True)

    def work(self) -> Iterator[None]:
        """Put into words what was noted, in steps; begin another file where it is time to."""
        if self._begun_at is not None:
            yield from self._scribe.work()
        if self._is_file_due():
            yield from self._begin_file()
        if self._clock() >= self._count_due:
            self._count_due = self._clock() + COUNT_PERIOD
            self._scribe.say([self._notes.count()])
            yield from self._scribe.work()
        self._figures.trace_lost = self._writer.lost

    def finish(self) -> Iterator[None]:
        """Say in steps what is to be said at the end of a run."""
        yield from self._scribe.work()
        yield from self._end_file()

    async def _keep_working(self) -> None:
        while True:
            await _through(self.work())
            await anyio.sleep(WRITE_PERIOD)

    async def _keep_flushing(self) -> None:
        while True:
            await anyio.sleep(WRITE_PERIOD)
            await to_thread.run_sync(self._writer.flush, abandon_on_cancel=True)

    def _is_file_due(self) -> bool:
        if self._begun_at is None:
            return True
        age = self._clock() - self._begun_at
        if self._writer.is_broken:
            return age >= RETRY_PERIOD
        return (
            self._is_renewed or age >= FILE_SECONDS or self._scribe.bytes > self._writer.file_bytes
        )

    def _begin_file(self) -> Iterator[None]:
        """Begin a file that can be read alone."""
        yield from self._end_file()
        is_first = self._begun_at is None
        self._begun_at, self._is_renewed = self._clock(), False
        self._scribe.begin_file(self._heading.header(self._scribe.t(self._begun_at)))
        self._say_lost()
        if not is_first:
            self._notes.repeat()
        yield from self._scribe.work()
        self._scribe.bytes = 0

    def _end_file(self) -> Iterator[None]:
        if self._begun_at is None or self._writer.is_broken:
            return
        yield from self._notes.note_silent()
        self._scribe.say([self._notes.count()])
        yield from self._scribe.work()

    def _say_lost(self) -> None:
        lost, self._lost = self._writer.lost - self._lost, self._writer.lost
        if lost:
            t = self._scribe.t(self._clock())
            self._scribe.say([TraceEvent(t, None, EventKind.LOST, {"lines": lost})])


async def _through(steps: Iterator[None]) -> None:
    for _ in steps:
        await anyio.lowlevel.checkpoint()
