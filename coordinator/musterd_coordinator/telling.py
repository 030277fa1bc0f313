"""Why a member changed, for its history, for the log, and for whoever asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import structlog
from numpy.typing import NDArray

from musterd.model import State, Transition
from musterd_coordinator.changes import ChangeLog
from musterd_coordinator.detector import Detector
from musterd_coordinator.directory import Directory
from musterd_coordinator.judgements import Cause, Changes
from musterd_coordinator.members import STATES, Rows
from musterd_coordinator.shard import Clocks, Shard, wall_instant
from musterd_coordinator.told import Evidence, Told
from musterd_coordinator.unsaved import Unsaved
from musterd_coordinator.wording import BEATING, PLAIN

log = structlog.get_logger(__name__)

LOGGED_SINGLY = 1000
"""Changes of one kind in one sweep that have a line each in the log. More would be a flood that no
journal takes and nobody reads: they have one together, and each is in the history."""

_EXAMPLES = 3  # names, and zones, in such a line
_AT_ONCE = 50  # lines of the log in one step: a millisecond or two
_BY_RUN = (Cause.RESTARTED, Cause.CONFLICT)  # their words name incarnations


Speak = Callable[..., object]
Line = tuple[Speak, str, Mapping[str, object]]
"""A line of the log: its level, its event, and what is known of it."""


class Teller:
    """Puts changes into words, with the evidence for them as it is now, and tells all who care."""

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
        self._reasons: NDArray[np.object_] = np.empty(0, object)  # by row: words, or who has them

    def begin(self, rows: Rows, reasons: Iterable[str]) -> None:
        """New members sit in ``rows`` (n), for these ``reasons`` (n or more)."""
        self.reserve(int(rows.max()) + 1)
        self._reasons[rows] = list(islice(reasons, len(rows)))
        self._changes.touch_all(rows)

    def reserve(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        if (more := rows - len(self._reasons)) > 0:
            self._reasons = np.append(self._reasons, np.full(more + len(self._reasons) // 4, ""))

    def reason(self, row: int) -> str:
        """The last words on the member of ``row``."""
        reason: str | Told = self._reasons[row]
        return reason if isinstance(reason, str) else reason.reason(row)

    def ordered(self, row: int, note: str, then: State | None = None) -> None:
        """An operator's order, with its ``note`` for the history.

        It is no change of state, unless ``then`` is what the member is after it.
        """
        state, member = self._detector.members.state.item(row), self._directory.member(row)
        version, now = self._changes.version + 1, wall_instant(self._clocks.wall())
        names = member.group, member.name
        line = Transition(version, now, *names, STATES[state], then or STATES[state], note)
        self._unsaved.lines.append(line)

    def tell(self, changes: Changes, shard: Shard) -> Told:
        """A sweep of ``shard`` changed all this: to the history and whoever follows."""
        now = wall_instant(self._clocks.wall())
        told = Told(self._changes.version + 1, now, changes, self._evidence(changes, shard))
        self._unsaved.told(told)
        self._reasons[changes.rows] = told
        for cause, text in _LASTING.items():
            if len(rows := changes.rows[changes.cause == cause]):
                self._reasons[rows] = text
        self._changes.touch_all(changes.rows)
        return told

    def log(self, told: Sequence[Told]) -> Iterator[None]:
        """A line for each death, conflict or return among what was told, in steps."""
        # Words first: once others had a turn, somebody may be forgotten.
        lines = [line for each in told for line in self._lines(each)]
        for at in range(0, len(lines), _AT_ONCE):
            for speak, event, fields in lines[at : at + _AT_ONCE]:
                speak(event, **fields)
            yield

    def _lines(self, told: Told) -> Iterator[Line]:
        changes = told.changes
        kinds = changes.cause.astype(np.int64) << 8 | changes.old << 4 | changes.new
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            cause, old, new = Cause(kind >> 8), STATES[kind >> 4 & 15], STATES[kind & 15]
            if cause is not Cause.FIRST_BEAT:
                event = str(new) if old != new else "beats"
                rows = changes.rows[kinds == kind]
                yield from self._lines_of(told, _speaker(cause, new), event, str(old), rows)

    def _lines_of(
        self, told: Told, speak: Speak, event: str, was: str, rows: Rows
    ) -> Iterator[Line]:
        if len(rows) > LOGGED_SINGLY:
            yield (
                speak,
                f"members {event}",
                {"count": len(rows), "was": was, **self._summary(told, rows)},
            )
            return
        for row in rows.tolist():
            member = str(self._directory.member(row))
            yield (
                speak,
                f"member {event}",
                {"member": member, "was": was, "reason": told.reason(row)},
            )

    def _summary(self, told: Told, rows: Rows) -> dict[str, object]:
        """What a line about many says of them."""
        codes, counts = np.unique(self._detector.members.zone[rows], return_counts=True)
        most = np.argsort(-counts)[:_EXAMPLES]
        zones = {
            "/".join(self._directory.zones.key(codes.item(at))): counts.item(at)
            for at in most.tolist()
        }
        examples = map(self._directory.member, rows[:_EXAMPLES].tolist())
        return {
            "largest_zones": zones,
            "examples": list(map(str, examples)),
            "reason": told.reason(rows.item(0)),
        }

    def _evidence(self, changes: Changes, shard: Shard) -> Evidence:
        members, now = self._detector.members, self._clocks.monotonic()
        by_run = np.isin(changes.cause, _BY_RUN).any()
        runs = changes.rows if by_run else changes.rows[:0]
        return Evidence(
            shard.name,
            shard.staleness(self._clocks) or 0.0,
            self._detector.rules.storm_hold,
            members.heard_at[changes.rows] + (self._clocks.wall() - now),
            np.stack((members.incarnation[runs], members.previous_incarnation[runs]), axis=1),
        )


_LASTING: Mapping[int, str] = {**PLAIN, Cause.CONFLICT_OVER: BEATING}
"""Reasons that are the same for everybody."""


def _speaker(cause: Cause, new: State) -> Speak:
    well = new in (State.UP, State.LEFT) and cause is not Cause.CONFLICT
    speak: Speak = log.info if well else log.warning
    return speak
