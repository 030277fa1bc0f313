"""The history of many members is read from the registry, so much at a time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

from musterd.answers import HistoryBucket, HistoryBuckets, HistoryPage
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.registry.past import HistorySpan, Position, start_of
from musterd_coordinator.roll.shard import wall_instant

BUCKETS = 2000
"""Buckets that an answer has at most."""

LAST_HOUR = timedelta(hours=1)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Hindsight(NamedTuple):
    """A `Hindsight` is what is asked of the past; None asks nothing."""

    group: str | None = None
    zone: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class HistoryDesk:
    """A `HistoryDesk` answers from ``registry``; ``wall`` tells the time, in seconds."""

    def __init__(self, registry: Registry, wall: Callable[[], float]) -> None:
        self._registry = registry
        self._wall = wall

    async def page(self, asked: Hindsight, before: str, limit: int) -> HistoryPage:
        """Return up to ``limit`` changes before the place that an answer had as its ``next``."""
        stretch = HistorySpan(
            *(_within(asked.since, _FIRST), _within(asked.until, _LAST)), asked.group, asked.zone
        )
        page = await self._registry.changes(stretch, _position(before), limit)
        return HistoryPage(list(page.lines), _text(page.following))

    async def buckets(self, asked: Hindsight, step: int) -> HistoryBuckets:
        """Count changes by ``step`` seconds or more: of the last hour, if no ``since`` is asked for."""
        until = _within(asked.until, wall_instant(self._wall() + 1.0))  # with what is of just now
        since = min(_within(asked.since, max(until - LAST_HOUR, _FIRST)), until)
        step = max(step, ceil((until - since).total_seconds() / (BUCKETS - 1)))
        stretch = HistorySpan(since, until, asked.group, asked.zone)
        counted = await self._registry.count_changes(stretch, step)
        found = dict[int, dict[str, int]]()
        for number, state, count in counted.counts:
            found.setdefault(number, {})[state.value] = count
        buckets = [
            HistoryBucket(start_of(number, step), **counts)
            for number, counts in sorted(found.items())
        ]
        return HistoryBuckets(step, counted.since, buckets)


def _within(at: datetime | None, default: datetime) -> datetime:
    """Return an instant that every registry takes."""
    if at is None:
        return default
    naive = at.replace(tzinfo=None)
    if naive.year >= _LAST.year:
        return _LAST
    return max(at.astimezone(UTC), _FIRST) if naive.year > 1 else _FIRST


def _text(position: Position | None) -> str | None:
    if position is None:
        return None
    return f"{(position.at - _FIRST) // _MICROSECOND}-{position.number}"


def _position(text: str) -> Position | None:
    if not text:
        return None
    at, _, number = text.partition("-")
    return Position(_FIRST + int(at) * _MICROSECOND, int(number))
