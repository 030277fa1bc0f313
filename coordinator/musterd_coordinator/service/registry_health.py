"""The registry is there or lost, and what it told us has an age. Pure, but for the log."""

from collections.abc import Callable

import structlog

from musterd_coordinator.roll.shard import Clocks

log = structlog.get_logger(__name__)

WRITING, READING = "writing", "reading"


class RegistryHealth:
    """A `RegistryHealth` is known by what became of the last reading and of the last writing."""

    def __init__(self, clocks: Clocks, unsaved: Callable[[], int]) -> None:
        self._clocks = clocks
        self._unsaved = unsaved
        self._failures: dict[str, str] = {}
        self._read_at: float | None = None

    @property
    def reason(self) -> str:
        """Return why it is lost, in words; empty while it is there."""
        return next(iter(self._failures.values()), "")

    @property
    def facts_age(self) -> float | None:
        """Return the seconds since what operators say was last read; None before the first time."""
        at = self._read_at
        return None if at is None else max(0.0, self._clocks.monotonic() - at)

    def record(self, work: str, reason: str) -> None:
        """Note that ``work`` failed for ``reason``, or succeeded if that is empty."""
        lost = bool(self._failures)
        if reason:
            self._failures[work] = reason
        else:
            self._failures.pop(work, None)
            if work == READING:
                self._read_at = self._clocks.monotonic()
        if self._failures and not lost:
            log.warning("registry lost", reason=reason, unsaved=self._unsaved())
        elif lost and not self._failures:
            log.info("registry back")
