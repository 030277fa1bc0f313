"""Why a member changed, for its history, for the log, and for whoever asks."""

from datetime import datetime
from math import isnan

import structlog

from musterd.model import State, Transition
from musterd_coordinator.detector import Detector
from musterd_coordinator.directory import Directory
from musterd_coordinator.judgements import Cause
from musterd_coordinator.shard import Clocks, Shard
from musterd_coordinator.wording import EVIDENT, cause_text, silence

log = structlog.get_logger(__name__)


class Teller:
    """Puts changes into words, with the evidence for them as it is now."""

    def __init__(self, detector: Detector, directory: Directory, clocks: Clocks) -> None:
        self._detector = detector
        self._directory = directory
        self._clocks = clocks

    def reason(self, row: int, cause: Cause, silent: float, shard: Shard) -> str:
        """Why the member of ``row`` changed by a sweep of ``shard``; ``silent`` in seconds."""
        members, rules = self._detector.members, self._detector.rules
        evidence = self._evidence(row, silent, shard) if cause in EVIDENT else ""
        incarnations = members.incarnation.item(row), members.previous_incarnation.item(row)
        return cause_text(cause, evidence, incarnations, rules.storm_hold)

    def transition(
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


def log_change(transition: Transition, cause: Cause) -> None:
    """A line for a death, a conflict or a return."""
    tell = log.info if transition.new in (State.UP, State.LEFT) else log.warning
    if cause is Cause.CONFLICT:
        tell = log.warning
    event = f"member {transition.new}" if transition.old != transition.new else "member beats"
    name = f"{transition.group}/{transition.member}"
    tell(event, member=name, was=str(transition.old), reason=transition.reason)
