"""Why a member changed, for its history, for the log, and for whoever asks."""

from collections.abc import Iterable
from datetime import datetime
from itertools import repeat
from math import isnan

import structlog

from musterd.model import State, Transition
from musterd_coordinator.changes import ChangeLog
from musterd_coordinator.detector import Detector
from musterd_coordinator.directory import Directory
from musterd_coordinator.judgements import Cause, Changes
from musterd_coordinator.members import STATES, Rows
from musterd_coordinator.shard import Clocks, Shard, wall_instant
from musterd_coordinator.unsaved import FIRST_BEAT, FirstBeats, Unsaved
from musterd_coordinator.wording import BEATING, EVIDENT, cause_text, silence

log = structlog.get_logger(__name__)

_CAUSES = {int(cause): cause for cause in Cause}
_AT_ONCE = 10_000  # changes that are Python objects at one time


class Teller:
    """Puts changes into words, with the evidence for them as it is now, and tells all who care.

    ``reasons`` are the last words on the member of each row.
    """

    def __init__(
        self,
        detector: Detector,
        directory: Directory,
        clocks: Clocks,
        *,
        changes: ChangeLog,
        unsaved: Unsaved,
    ) -> None:
        self._detector = detector
        self._directory = directory
        self._clocks = clocks
        self._changes = changes
        self._unsaved = unsaved
        self.reasons: list[str] = []

    def begin(self, rows: Rows, reasons: Iterable[str]) -> None:
        """New members sit in ``rows`` (n), for these ``reasons`` (n or more)."""
        self.reasons.extend(repeat("", int(rows.max()) + 1 - len(self.reasons)))
        for row, reason in zip(rows.tolist(), reasons, strict=False):
            self.reasons[row] = reason
        self._changes.touch_all(rows.tolist())

    def ordered(self, row: int, note: str) -> None:
        """An operator's order, which is no change of state, with its ``note`` for the history."""
        state = STATES[self._detector.members.state.item(row)]
        now = wall_instant(self._clocks.wall())
        line = self._transition(row, state, state, note, now, self._changes.version + 1)
        self._unsaved.lines.append(line)

    def tell(self, changes: Changes, shard: Shard) -> None:
        """A sweep of ``shard`` changed all this: to the log, the history and whoever follows."""
        now = wall_instant(self._clocks.wall())
        first = changes.cause == Cause.FIRST_BEAT
        self._tell_first_beats(changes.rows[first], now)
        for part in changes.where(~first).parts(_AT_ONCE):
            self._tell(part, shard, now)

    def _tell_first_beats(self, rows: Rows, now: datetime) -> None:
        """The same for those whose first beat this is: as many as a whole fleet, and no news."""
        self._unsaved.began(FirstBeats(self._changes.version + 1, now, rows))
        reasons, touch = self.reasons, self._changes.touch
        for row in rows.tolist():
            reasons[row] = FIRST_BEAT
            touch(row)

    def _tell(self, changes: Changes, shard: Shard, now: datetime) -> None:
        version = self._changes.version + 1  # one number for all, as a million would be memory
        for row, old, new, code, silent in zip(*changes.lists(), strict=True):
            cause = _CAUSES[code]
            reason = self._reason(row, cause, silent, shard)
            line = self._transition(row, STATES[old], STATES[new], reason, now, version)
            _log_change(line, cause)
            self._unsaved.lines.append(line)
            self.reasons[row] = reason if cause is not Cause.CONFLICT_OVER else BEATING
            self._changes.touch(row)

    def _reason(self, row: int, cause: Cause, silent: float, shard: Shard) -> str:
        """Why the member of ``row`` changed by a sweep of ``shard``; ``silent`` in seconds."""
        members, rules = self._detector.members, self._detector.rules
        evidence = self._evidence(row, silent, shard) if cause in EVIDENT else ""
        incarnations = members.incarnation.item(row), members.previous_incarnation.item(row)
        return cause_text(cause, evidence, incarnations, rules.storm_hold)

    def _transition(
        self, row: int, old: State, new: State, reason: str, at: datetime, version: int
    ) -> Transition:
        """The line of history."""
        member = self._directory.member(row)
        return Transition(version, at, member.group, member.name, old, new, reason)

    def _evidence(self, row: int, silent: float, shard: Shard) -> str:
        heard_at = float(self._detector.members.heard_at[row])
        last = None if isnan(heard_at) else f"{self._clocks.instant(heard_at):%Y-%m-%dT%H:%M:%SZ}"
        ago = shard.clock.staleness(self._clocks.monotonic()) or 0.0
        return silence(silent, last, shard.name, ago)


def _log_change(transition: Transition, cause: Cause) -> None:
    """A line for a death, a conflict or a return."""
    tell = log.info if transition.new in (State.UP, State.LEFT) else log.warning
    if cause is Cause.CONFLICT:
        tell = log.warning
    event = f"member {transition.new}" if transition.old != transition.new else "member beats"
    name = f"{transition.group}/{transition.member}"
    tell(event, member=name, was=str(transition.old), reason=transition.reason)
