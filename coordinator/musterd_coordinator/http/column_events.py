"""Whoever follows columns hears of all members at once, then of the bytes that are other ones.

An event's ids, what is bounded, and what a reader that comes back is told are as in
:mod:`~musterd_coordinator.http.events`; what is made for one reader is made for all.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import NamedTuple

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from musterd.answers import EventCells, EventPing
from musterd_coordinator.http.columns import ColumnFeed
from musterd_coordinator.http.flate import Chunk
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.healths import AnswerHealth, AnswerHealths
from musterd_coordinator.http.status_news import Sight, StatusNews
from musterd_coordinator.roll.arrangement import Arrangement
from musterd_coordinator.roll.versions import no_news
from musterd_coordinator.service.contract import CoordinatorApi

_encode = msgspec.json.Encoder().encode
_END = b"]}\n\n"


class ColumnNews(NamedTuple):
    """A `ColumnNews` has events that bring a reader to ``version`` and ``arrangement``, and a ping of it."""

    version: int
    arrangement: Arrangement
    listening: bool
    parts: Sequence[Chunk]
    ping: Chunk


class ColumnEvents:
    """A `ColumnEvents` makes the events in columns of one run of one coordinator."""

    def __init__(
        self, desk: CoordinatorApi, run: str, feed: ColumnFeed, gauges: HttpGauges
    ) -> None:
        self._desk = desk
        self._gauges = gauges
        self._run = run
        self._feed = feed
        self._healths = AnswerHealths(desk)
        self._status = StatusNews(desk)
        self._told: dict[tuple[str | None, int], ColumnNews] = {}
        self._told_of: tuple[int, Arrangement] | None = None  # a version and its arrangement

    async def follow(
        self,
        sight: Sight,
        version: int | None,
        ping_period: float,
        gap: float,
        welcome: Callable[[], bool],
    ) -> AsyncGenerator[Chunk]:
        """Yield events from now on, or from ``version``, while the reader is ``welcome``.

        ``gap`` is how many seconds it waits at the end of each turn, so that not all are told at once.
        """
        told: bool | None = None
        arrangement: Arrangement | None = None
        status: Chunk | None = None
        ping_at = 0.0
        while welcome():
            if (now_told := await self._status.of(sight)) is not status:
                status = now_told
                yield status
            news = await self._news_since(sight.group, version, arrangement)
            now = anyio.current_time()
            for part in news.parts:
                told, ping_at = news.listening, now + ping_period
                yield part
                await checkpoint()
            if told != news.listening or now >= ping_at:
                told, ping_at = news.listening, now + ping_period
                yield news.ping
            version, arrangement = news.version, news.arrangement
            with anyio.move_on_at(min(ping_at, self._feed.due, self._status.due)):
                stale = self._status.is_stale()  # which is told when that is due
                await self._desk.wait_version(version, no_news if stale else self._status.is_stale)
            if gap:
                await anyio.sleep(gap)

    def clear(self) -> None:
        """Keep nothing, as nobody listens."""
        self._healths.clear()
        self._status.clear()
        self._told.clear()

    async def _news_since(
        self, group: str | None, version: int | None, arrangement: Arrangement | None
    ) -> ColumnNews:
        newest = await self._feed.arrange()
        if version is None or not self._knows(version, arrangement, newest):
            return await self._columns(group)
        told = self._cells(group, version, newest)
        self._feed.tell(told.version)
        return told

    def _knows(self, version: int, arrangement: Arrangement | None, newest: Arrangement) -> bool:
        """Say whether a reader may go on from what it knows."""
        same = version >= self._feed.since if arrangement is None else arrangement is newest
        return same and self._desk.columns.is_at_hand(version)

    def _cells(self, group: str | None, since: int, arrangement: Arrangement) -> ColumnNews:
        now = self._desk.version, arrangement
        if now != self._told_of:
            self._told.clear()
            self._told_of = now
        if (told := self._told.get((group, since))) is not None:
            return told
        health, parts = self._healths.of(group), list[Chunk]()
        changed = self._desk.columns.changed(arrangement, since) if since < health.version else {}
        assert changed is not None, "they are at hand"
        if group is not None:
            changed = {group: changed[group]} if group in changed else {}
        if changed:
            layout, at = self._feed.layout(arrangement), self._desk.columns.at
            body = EventCells(health.version, layout, at, changed)
            parts.append(self._event("cells", health.version, _encode(body)))
        told = ColumnNews(health.version, arrangement, health.listening, parts, self._ping(health))
        if parts:
            self._told[group, since] = told
        return told

    async def _columns(self, group: str | None) -> ColumnNews:
        self._gauges.snapshots += 1
        made = await self._feed.recent()
        body, health = await self._feed.body(made, group), self._healths.of(group)
        health = health._replace(version=made.version)
        self._feed.tell(made.version)
        head = self._head("columns", made.version) + self._feed.head(
            made, None if group is None else [group]
        )
        parts = [Chunk(head), body, Chunk(_END)]
        return ColumnNews(
            made.version, made.arrangement, health.listening, parts, self._ping(health)
        )

    def _ping(self, health: AnswerHealth) -> Chunk:
        return self._event("ping", health.version, _encode(EventPing(*health[:3])))

    def _event(self, name: str, version: int, data: bytes) -> Chunk:
        return Chunk(b"%b%b\n\n" % (self._head(name, version), data))

    def _head(self, name: str, version: int) -> bytes:
        return f"event: {name}\nid: {self._run}-{version}\ndata: ".encode()
