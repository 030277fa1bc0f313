"""The module keeps what one sweep changed as columns, and puts it into words when asked.

A store that comes back, or a zone that dies, changes hundreds of thousands of members at once. A
text and a line of history for each would stop the event loop for seconds, and take fifteen times
the memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import floor, isnan

import numpy as np
from numpy.typing import NDArray

from musterd.model import Member, Transition
from musterd.orders import UNTOLD, Origin
from musterd_coordinator.judge.members import STATES, Rows, Seconds
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.wording import EVIDENT, cause_text, silence

_CAUSES = {int(cause): cause for cause in Cause}


@dataclass(frozen=True, slots=True)
class Evidence:
    """An `Evidence` says how n changes are known.

    ``shard`` was proven ``ago`` seconds before; ``hold`` is the rule's, in seconds. ``seen`` (n) is
    when the last beat was, by the wall clock; NaN: never. ``incarnations`` (n, 2) are the newest
    and the one before. Where no cause is told by them, ``seen`` and ``incarnations`` are empty. ``origins``
    says by row whose order was the cause, if one was.
    """

    shard: str
    ago: float
    hold: float
    seen: Seconds
    incarnations: NDArray[np.uint64]
    origins: Mapping[int, Origin] = field(default_factory=dict)


class ChangeSet:
    """A `ChangeSet` is n changes that became visible ``at`` one moment as one ``version``.

    No row is in it twice.
    """

    def __init__(
        self, version: int, at: datetime, changes: StateChanges, evidence: Evidence
    ) -> None:
        self.version = version
        self.at = at
        self.rows: Rows = changes.rows
        self.changes = changes
        self._evidence = evidence
        self._ascending: tuple[Rows, Rows] | None = None  # rows in order, and their places

    def place(self, row: int) -> int | None:
        """Return which of the changes, from 0, is that of ``row``; None if none is."""
        rows, places = self._ascending = self._ascending or ascending(self.rows)
        at = int(np.searchsorted(rows, row))
        return places.item(at) if at < len(rows) and rows.item(at) == row else None

    def reason(self, row: int) -> str:
        """Return why ``row``, which is among them, changed."""
        place = self.place(row)
        assert place is not None, f"row {row} did not change here"
        return self._reason(place, self.changes.cause.item(place))

    def cause(self, row: int) -> Cause:
        """Return the cause of the change of ``row``, which is among them."""
        place = self.place(row)
        assert place is not None, f"row {row} did not change here"
        return _CAUSES[self.changes.cause.item(place)]

    def line(self, place: int, member: Member) -> Transition:
        """Return the line of history of ``member``, the change of which stands at ``place``."""
        changes = self.changes
        old, new = STATES[changes.old.item(place)], STATES[changes.new.item(place)]
        reason = self._reason(place, changes.cause.item(place))
        names, origin = (member.group, member.name), self.origin(self.rows.item(place))
        return Transition(self.version, self.at, *names, old, new, reason, "", *origin, member.zone)

    def origin(self, row: int) -> Origin:
        """Return whose order was the cause of the change of ``row``; nobody's if none was."""
        return self._evidence.origins.get(row, UNTOLD)

    def _reason(self, place: int, code: int) -> str:
        cause, known = _CAUSES[code], self._evidence
        evidence = ""
        if cause in EVIDENT:
            silent, seen = self.changes.silence.item(place), known.seen.item(place)
            evidence = silence(silent, _instant_text(seen), known.shard, known.ago)
        now, before = known.incarnations[place] if len(known.incarnations) else (0, 0)
        return cause_text(cause, evidence, (int(now), int(before)), known.hold)


def ascending(rows: Rows) -> tuple[Rows, Rows]:
    """Return ``rows`` (n) in order, and the places (n) at which they stood."""
    if (rows[1:] > rows[:-1]).all():
        return rows, np.arange(len(rows))
    order = np.argsort(rows)
    return rows[order], order


def _instant_text(seconds: float) -> str | None:
    return None if isnan(seconds) else _second_text(floor(seconds + 0.0005))  # to the millisecond


@lru_cache(1024)  # members that fell silent together were heard in a few seconds
def _second_text(second: int) -> str:
    return f"{wall_instant(second):%Y-%m-%dT%H:%M:%SZ}"
