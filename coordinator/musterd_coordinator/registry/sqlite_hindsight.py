"""The module reads stretches of the history in a SQLite file."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from musterd_coordinator.registry import sqlite_sql as sql
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.past import (
    ChangeCounts,
    HistorySpan,
    LinePage,
    Position,
    counts_from,
)
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import edge_of, page_of
from musterd_coordinator.registry.sqlite_values import as_value

T = TypeVar("T")


class _Call(Protocol):
    async def __call__(self, work: Callable[[], T], rows: int = 0) -> T:
        """Return what ``work`` returns, in the file's thread."""


class SqliteHindsight:
    """A `SqliteHindsight` reads what ``read`` finds, in calls of the registry."""

    def __init__(
        self,
        call: _Call,
        read: Callable[[str, Mapping[str, object]], list[Row]],
        namespace: str,
        quarantine: RowQuarantine,
    ) -> None:
        self._call = call
        self._read = read
        self._namespace = namespace
        self._quarantine = quarantine

    async def changes(
        self, stretch: HistorySpan, before: Position | None, limit: int, most: int
    ) -> LinePage:
        """Return lines, newest first."""
        looked_at = limit + 1 if stretch.is_of_all else most
        given = self._given(stretch, before, looked_at)

        def work() -> tuple[list[Row], Position | None]:
            rows = self._read(sql.CHANGES, {**given, "limit": limit + 1})
            return rows, self._edge(given) if len(rows) <= limit else None

        rows, edge = await self._call(work, looked_at)
        return page_of(rows, limit, edge, self._quarantine)

    async def counts(self, stretch: HistorySpan, step: int, most: int) -> ChangeCounts:
        """Count changes by steps."""
        given = self._given(stretch, None, most)

        def work() -> tuple[list[Row], Position | None]:
            return self._read(sql.COUNTS, {**given, "step": step}), self._edge(given)

        rows, edge = await self._call(work, most)
        return counts_from(rows, stretch, edge, step)

    def _edge(self, given: Mapping[str, object]) -> Position | None:
        return edge_of(self._read(sql.EDGE, given))

    def _given(self, stretch: HistorySpan, before: Position | None, most: int) -> dict[str, Any]:
        begin = stretch.begin(before)
        return {
            "namespace": self._namespace,
            "since": as_value(stretch.since),
            "at": as_value(begin.at),
            "number": begin.number,
            "group": stretch.group,
            "zone": stretch.zone,
            "most": most,
        }
