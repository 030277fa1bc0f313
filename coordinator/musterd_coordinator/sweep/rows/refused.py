"""The module keeps rows of the roster that are no members, and tells of them a line a reading."""

import structlog

log = structlog.get_logger(__name__)

REMEMBERED = 500
"""Rows of which it is known that they were told of."""

_NAMED = 3
_TEXT_LIMIT = 300  # characters of what is wrong


class RefusedRows:
    """A `RefusedRows` knows which rows of ``shard`` were left alone, by slot, and why."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._reasons: dict[int, str] = {}
        self._untold: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, slot: int, reason: str) -> None:
        """Add the row of ``slot``, which is no member for ``reason``."""
        if self._reasons.get(slot) != reason and len(self) < REMEMBERED:
            self._reasons[slot] = self._untold[slot] = reason

    def accept(self, slot: int) -> None:
        """Note the row of ``slot`` as good, or another fleet's: it is told again when it is not."""
        self._reasons.pop(slot, None)

    def clear(self) -> None:
        """Forget all rows: they are read anew."""
        self._reasons.clear()

    def log(self) -> None:
        """Write one line to the log for all rows that it does not have yet."""
        untold, self._untold = self._untold, {}
        if untold:
            first = [f"slot {slot}: {why[:_TEXT_LIMIT]}" for slot, why in untold.items()][:_NAMED]
            log.warning("members refused", shard=self._shard, count=len(untold), first=first)
