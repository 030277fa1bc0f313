"""The module says why a member changed, for its history, for the log, and for answers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from musterd.model import State, Transition
from musterd.orders import UNTOLD, Origin
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import STATES, Code, Mask, Rows
from musterd_coordinator.judge.transitions import OVER, Cause, StateChanges
from musterd_coordinator.roll.changeset import ChangeSet, Evidence
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.ordered import OrderSet
from musterd_coordinator.roll.outbox import Outbox
from musterd_coordinator.roll.shard import Clocks, ShardState, wall_instant
from musterd_coordinator.roll.versions import LOG_LIMIT, ChangeLog
from musterd_coordinator.roll.wording import BEATING, EVIDENT, PLAIN

log = structlog.get_logger(__name__)

LOGGED_SINGLY = 1000
"""Changes of one kind in one sweep that have a line each in the log. More would be a flood that no
journal takes and no operator reads: they have one together, and each is in the history."""

_EXAMPLES = 3  # names, and zones, in such a line
_AT_ONCE = 50  # lines of the log in one step: a millisecond or two
_ALL_CAUSES = np.arange(len(Cause))
_BY_SILENCE = np.isin(_ALL_CAUSES, list(EVIDENT))
_BY_RUN = np.isin(_ALL_CAUSES, (Cause.RESTARTED, Cause.CONFLICT))  # their words name incarnations


Speak = Callable[..., object]
_Kind = tuple[Cause, State, State]
_Part = tuple[ChangeSet, Rows]


class _Lines(NamedTuple):
    """`_Lines` are lines of the log that differ in the member only.

    Its name is kept, as it may be forgotten.
    """

    speak: Speak
    event: str
    was: str
    told: ChangeSet
    rows: Rows
    names: list[str]

    def log(self, at: int) -> None:
        """Say line ``at``."""
        reason = self.told.reason(self.rows.item(at))
        self.speak(self.event, member=self.names[at], was=self.was, reason=reason)


class _Order(NamedTuple):
    """An `_Order` says in which version an order changed which rows, and whose it is."""

    version: int
    rows: frozenset[int]
    origin: Origin


class ChangeReporter:
    """A `ChangeReporter` puts changes into words, with the evidence for them as it is now.

    It passes them on to the history, to the log and to readers that follow.
    """

    def __init__(
        self,
        detector: Detector,
        directory: NameIndex,
        clocks: Clocks,
        *,
        changes: ChangeLog,
        unsaved: Outbox,
    ) -> None:
        self._detector = detector
        self._directory = directory
        self._clocks = clocks
        self._changes = changes
        self._unsaved = unsaved
        self._reasons: NDArray[np.object_] = np.empty(0, object)  # by row: words, or what has them
        self._order = _Order(0, frozenset(), UNTOLD)  # the newest
        self._newest: list[ChangeSet] = []  # all of one version
        self._confirmed: dict[int, Origin] = {}  # by row: who confirmed its silence last

    def add(self, rows: Rows, reasons: Iterable[str]) -> None:
        """Add new members, which sit in ``rows`` (n), for these ``reasons`` (n or more)."""
        self.reserve(int(rows.max()) + 1)
        self._reasons[rows] = list(islice(reasons, len(rows)))
        self._changes.touch_all(rows)

    def reserve(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        have = len(self._reasons)
        if rows > have:
            more = max(rows, have + have // 4) - have
            self._reasons = np.append(self._reasons, np.full(more, ""))

    def reason(self, row: int) -> str:
        """Return the last words on the member of ``row``."""
        reason: str | ChangeSet = self._reasons[row]
        return reason if isinstance(reason, str) else reason.reason(row)

    def cause(self, row: int) -> str:
        """Return the word of why the member of ``row`` last changed; empty where only words are known."""
        reason: str | ChangeSet = self._reasons[row]
        if isinstance(reason, str):
            return _WORDS.get(reason, "")
        return reason.cause(row).name.lower()

    def ordered(self, row: int, note: str, origin: Origin, then: State | None = None) -> None:
        """Put an operator's order into the history, with its ``note``.

        It is no change of state, unless ``then`` is what the member is after it.
        """
        state, member = self._detector.members.state.item(row), self._directory.member(row)
        version, now = self._changes.version + 1, wall_instant(self._clocks.wall())
        names = member.group, member.name
        states = STATES[state], then or STATES[state]
        _, zone = self._directory.zones.key(self._detector.members.zone.item(row))
        line = Transition(version, now, *names, *states, note, "", *origin, zone)
        self._unsaved.lines.append(line)
        self._order = _Order(version, frozenset((row,)), origin)

    def ordered_all(self, rows: Rows, note: str, origin: Origin) -> None:
        """Put an order for many members into the history, with its ``note``; it changes no state."""
        version, now = self._changes.version + 1, wall_instant(self._clocks.wall())
        states = self._detector.members.state[rows]
        self._unsaved.add_changes(OrderSet(version, now, rows, states, note, origin))
        described = rows if len(rows) <= LOG_LIMIT else rows[:0]
        self._order = _Order(version, frozenset(described.tolist()), origin)

    def confirmed(self, rows: Rows, origin: Origin) -> None:
        """Note who confirmed the silence of ``rows``, for when they go down by that."""
        self._confirmed.update(dict.fromkeys(rows.tolist(), origin))

    def origin(self, row: int, version: int) -> Origin:
        """Return whose order changed the member of ``row`` in ``version``; nobody's if none did."""
        if self._order.version == version and row in self._order.rows:
            return self._order.origin
        reason: str | ChangeSet = self._reasons[row]
        if isinstance(reason, ChangeSet) and reason.version == version:
            return reason.origin(row)
        return UNTOLD

    def step(self, row: int, version: int) -> tuple[State | None, str]:
        """Return from which state the member of ``row`` came in ``version``, and the word of why.

        None and an empty word: its state did not change then.
        """
        for told in self._newest:
            if told.version == version and (place := told.place(row)) is not None:
                return STATES[told.changes.old.item(place)], told.cause(row).name.lower()
        return None, ""

    def record(self, changes: StateChanges, shard: ShardState) -> ChangeSet:
        """Tell the history, and readers that follow, all that a sweep of ``shard`` changed."""
        now = wall_instant(self._clocks.wall())
        told = ChangeSet(self._changes.version + 1, now, changes, self._evidence(changes, shard))
        self._newest = [one for one in self._newest if one.version == told.version] + [told]
        self._unsaved.add_changes(told)
        self._reason_all(told)
        self._changes.touch_all(changes.rows)
        return told

    def _reason_all(self, told: ChangeSet) -> None:
        changes = told.changes
        for cause in np.flatnonzero(np.bincount(changes.cause)).tolist():
            of_it = changes.cause == cause
            if cause in _ENDED:
                of_it &= changes.new == Code.UP  # what is not up has its own reasons
            rows = changes.rows if of_it.all() else changes.rows[of_it]
            self._reasons[rows] = _LASTING.get(cause, told)

    def log(self, told: Sequence[ChangeSet]) -> Iterator[None]:
        """Return the steps that log a line for each death, conflict or return among what was told.

        Names are looked up now: once others had a turn, a member may be forgotten.
        """
        return _say(list(self._lines(told)))

    def _lines(self, told: Sequence[ChangeSet]) -> Iterator[_Lines]:
        for (cause, old, new), parts in _by_kind(told).items():
            speak, event = _speaker(cause, new), str(new) if old != new else "beats"
            count = sum(len(rows) for _, rows in parts)
            if count > LOGGED_SINGLY:
                speak(f"members {event}", count=count, was=str(old), **self._summary(parts))
                continue
            for part, rows in parts:
                names = list(map(str, map(self._directory.member, rows.tolist())))
                yield _Lines(speak, f"member {event}", str(old), part, rows, names)

    def _summary(self, parts: Sequence[_Part]) -> dict[str, object]:
        """Return what a line about many members says of them."""
        zones = [self._detector.members.zone[rows] for _, rows in parts]
        size = max(int(each.max()) for each in zones) + 1
        counts = sum(
            (np.bincount(each, minlength=size) for each in zones), np.zeros(size, np.int64)
        )
        most = np.argsort(counts)[: -_EXAMPLES - 1 : -1]
        largest = [(zone, counts.item(zone)) for zone in most.tolist() if counts.item(zone)]
        told, rows = parts[0]
        examples = map(self._directory.member, rows[:_EXAMPLES].tolist())
        return {
            "largest_zones": {"/".join(self._directory.zones.key(zone)): n for zone, n in largest},
            "examples": list(map(str, examples)),
            "reason": told.reason(rows.item(0)),
        }

    def _evidence(self, changes: StateChanges, shard: ShardState) -> Evidence:
        members, now = self._detector.members, self._clocks.monotonic()
        silent, runs = _rows_by(changes, _BY_SILENCE), _rows_by(changes, _BY_RUN)
        return Evidence(
            shard.name,
            shard.staleness(self._clocks) or 0.0,
            self._detector.rules.storm_hold,
            members.heard_at[silent] + (self._clocks.wall() - now),
            np.stack((members.incarnation[runs], members.previous_incarnation[runs]), axis=1),
            self._confirmers(changes),
        )

    def _confirmers(self, changes: StateChanges) -> Mapping[int, Origin]:
        confirmed = changes.rows[changes.cause == Cause.CONFIRMED].tolist()
        return {row: self._confirmed.pop(row, UNTOLD) for row in confirmed}


_ENDED = frozenset(OVER.values())
_LASTING: Mapping[int, str] = {**PLAIN, **dict.fromkeys(_ENDED, BEATING)}
"""Reasons that are the same for all members."""
_WORDS = {text: Cause(cause).name.lower() for cause, text in PLAIN.items()}


def _say(lines: Sequence[_Lines]) -> Iterator[None]:
    for each in lines:
        for at in range(len(each.rows)):
            each.log(at)
            if at % _AT_ONCE == _AT_ONCE - 1:
                yield
        yield


def _by_kind(told: Sequence[ChangeSet]) -> dict[_Kind, list[_Part]]:
    """Return the rows of what was told, by what is said of them alike; first beats are no news."""
    kinds = defaultdict[_Kind, list[_Part]](list)
    for each in told:
        changes = each.changes
        codes = changes.cause.astype(np.int64) << 8 | changes.old << 4 | changes.new
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            kind = Cause(code >> 8), STATES[code >> 4 & 15], STATES[code & 15]
            if kind[0] is not Cause.FIRST_BEAT:
                kinds[kind].append((each, changes.rows[codes == code]))
    return kinds


def _rows_by(changes: StateChanges, causes: Mask) -> Rows:
    """Return all rows if any changed by one of ``causes``, else none: no text needs them then."""
    return changes.rows if causes[changes.cause].any() else changes.rows[:0]


def _speaker(cause: Cause, new: State) -> Speak:
    well = new in (State.UP, State.LEFT) and cause not in (Cause.CONFLICT, Cause.CONTESTED)
    speak: Speak = log.info if well else log.warning
    return speak
