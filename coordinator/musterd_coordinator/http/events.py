"""Server-sent events are a snapshot or a resume, then every change, and how good that knowledge is.

Nothing is queued for a reader. What it has not heard yet is in the roll's own bounded log; while
its connection is full it is not asked for more, and one that fell behind the end of that log is
given a fresh snapshot. What is the same for all readers is made once.

An event's id is ``RUN-VERSION``: versions count within one run of one coordinator, and a reader
that resumes at another coordinator, or after a restart, must not mistake one for the other.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial

import anyio
from anyio.lowlevel import checkpoint

from musterd_coordinator.http.column_events import ColumnEvents
from musterd_coordinator.http.columns import ColumnFeed
from musterd_coordinator.http.flate import Chunk, Forgotten
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.news import StreamFeed, TooSlow
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.http.status_news import Sight
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.shares import Shares
from musterd_coordinator.service.contract import CoordinatorApi

PING_PERIOD = 5.0
VERSION_DIGITS = 18

WAVE = 50
WAVE_GAP = 0.002
"""Readers that are told of a version together, and seconds until the next of them are: a thousand
at once would stop the event loop for all others."""


class Events:
    """An `Events` has all streams of changes of one coordinator; ``run`` is 8 hex digits of this run."""

    def __init__(
        self,
        desk: CoordinatorApi,
        run: str,
        ping_period: float,
        readers: Shares,
        turns: Turns,
        feed: ColumnFeed,
        *,
        gauges: HttpGauges,
    ) -> None:
        self._desk = desk
        self._run = run
        self._ping_period = ping_period
        self._readers = readers
        self._waves: set[int] = set()  # numbers of those that follow
        self._news = StreamFeed(desk, run, turns, gauges)
        self._columns = ColumnEvents(desk, run, feed, gauges)

    @property
    def readers(self) -> int:
        """Return how many readers follow."""
        return len(self._waves)

    def stream(
        self,
        group: str | None,
        since: str | None,
        caller: str,
        welcome: Callable[[], bool] = lambda: True,
    ) -> AsyncGenerator[bytes]:
        """Return events from now on, or from ``since``, while the reader is ``welcome``.

        Raises NotFound for a group without members.
        """
        self._check(group, caller)
        return self._events(group, self._version_of(since), caller, welcome)

    def columns(
        self, sight: Sight, since: str | None, caller: str, welcome: Callable[[], bool]
    ) -> AsyncGenerator[Chunk]:
        """Return the same in columns."""
        self._check(sight.group, caller)
        return self._in_columns(sight, self._version_of(since), caller, welcome)

    def _check(self, group: str | None, caller: str) -> None:
        if group is not None:
            self._desk.freshness(group)
        if self._readers.held(caller) >= self._readers.each:
            raise Problem(503, f"{self._readers.each} readers of one address follow already")
        if self._readers.taken >= self._readers.total:
            raise Problem(
                503, f"{self._readers.total} readers follow the events already; try later"
            )

    async def _in_columns(
        self, sight: Sight, version: int | None, caller: str, welcome: Callable[[], bool]
    ) -> AsyncGenerator[Chunk]:
        with self._reading(caller) as number, suppress(Forgotten):
            gap = number // WAVE * WAVE_GAP
            parts = self._columns.follow(sight, version, self._ping_period, gap, welcome)
            async with aclosing(parts):
                async for part in parts:
                    yield part

    def _version_of(self, since: str | None) -> int | None:
        run, _, version = (since or "").rpartition("-")
        usable = version.isascii() and version.isdigit() and len(version) <= VERSION_DIGITS
        return int(version) if usable and run in ("", self._run) else None

    async def _events(
        self, group: str | None, version: int | None, caller: str, welcome: Callable[[], bool]
    ) -> AsyncGenerator[bytes]:
        with self._reading(caller) as number, suppress(TooSlow):
            told: bool | None = None
            ping_at = 0.0
            attention = self._news.no_incidents
            while welcome():
                news = await self._news.news_since(group, version)
                now = anyio.current_time()
                for event in news.events:
                    told, ping_at = news.listening, now + self._ping_period
                    yield event
                    await checkpoint()
                if told != news.listening or now >= ping_at:
                    told, ping_at = news.listening, now + self._ping_period
                    yield news.ping
                if attention != (now_told := self._news.incidents(group)):
                    attention = now_told
                    yield attention
                version, is_news = news.version, partial(self._is_news, group, attention)
                with anyio.move_on_at(ping_at):
                    await self._desk.wait_version(version, is_news)
                if number >= WAVE:
                    await anyio.sleep(number // WAVE * WAVE_GAP)

    def _is_news(self, group: str | None, attention: bytes) -> bool:
        return self._news.incidents(group) != attention

    @contextmanager
    def _reading(self, caller: str) -> Iterator[int]:
        """Count one reader; its number is the least that is free."""
        if not self._readers.acquire(caller):
            raise Problem(503, "too many readers follow the events already; try later")
        number = next(each for each in range(len(self._waves) + 1) if each not in self._waves)
        self._waves.add(number)
        try:
            yield number
        finally:
            self._waves.discard(number)
            self._readers.release(caller)
            if not self._waves:
                self._news.clear()
                self._columns.clear()
