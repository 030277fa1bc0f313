"""How good the answers about each group are is asked once for all readers of a version."""

from typing import NamedTuple

import anyio

from musterd.errors import NotFound
from musterd_coordinator.service.contract import CoordinatorApi

KEPT = 0.2
"""Seconds for which it is not asked anew for the same version."""


class AnswerHealth(NamedTuple):
    """A `AnswerHealth` is how good what is known of a ``version`` was ``at`` a time of the event loop."""

    version: int
    listening: bool
    staleness: float | None
    at: float


class AnswerHealths:
    """A `AnswerHealths` knows this of all members, and of each group."""

    def __init__(self, desk: CoordinatorApi) -> None:
        self._desk = desk
        self._known: dict[str | None, AnswerHealth] = {}

    def of(self, group: str | None) -> AnswerHealth:
        """Return how good what is known of ``group`` is; of all members without one."""
        kept, version, now = self._known.get(group), self._desk.version, anyio.current_time()
        if kept is not None and kept.version == version and now - kept.at < KEPT:
            return kept
        try:
            freshness = self._desk.freshness(group)
        except NotFound:  # its last member was forgotten, or it is yet to come again
            freshness = self._desk.freshness()
        health = self._known[group] = AnswerHealth(version, *freshness, now)
        return health

    def clear(self) -> None:
        """Keep nothing, as nobody asks."""
        self._known.clear()
