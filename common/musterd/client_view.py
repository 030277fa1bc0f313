"""A coordinator's events, parsed, and the view of one group that they add up to: no I/O."""

from math import inf
from typing import NamedTuple

import msgspec

from musterd.errors import CoordinatorError
from musterd.model import EventChanges, EventPing, EventSnapshot, Verdict

# A thousand members of the longest names are well below this.
EVENT_LIMIT = 16 * 1024 * 1024

MEMBERS_LIMIT = 4_000_000
"""Members of one group, some 800 MB: a snapshot without an end must not take all memory."""

_snapshot = msgspec.json.Decoder(EventSnapshot).decode
_changes = msgspec.json.Decoder(EventChanges).decode
_ping = msgspec.json.Decoder(EventPing).decode


class Event(NamedTuple):
    """One server-sent event; ``id`` is empty when it has none."""

    name: str
    id: str
    data: bytes


class EventParser:
    """Server-sent events from bytes in pieces of any size.

    Reads what a musterd coordinator sends: lines end with LF, and data is one line.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Event]:
        """The events that ``piece`` completed; CoordinatorError for one without an end."""
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        if len(self._rest) > EVENT_LIMIT:
            raise CoordinatorError(f"an event of more than {EVENT_LIMIT} bytes")
        return [_event(block) for block in blocks]


def _event(block: bytes) -> Event:
    fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
    name, mark = (fields.get(key, b"").decode("utf-8", "replace") for key in (b"event", b"id"))
    return Event(name, mark, fields.get(b"data", b""))


class View:
    """Verdicts on the members of one group as of ``version``, from the events applied so far.

    ``resume`` is the id of the last whole version. ``staleness`` is as it was when it was said:
    how long ago that was is the caller's to know.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        self.members: dict[str, Verdict] = {}
        self.whole = False  # a snapshot has come to its end
        self.version = 0
        self.listening = False
        self.staleness: float | None = None
        self.resume = ""
        self._arriving: dict[str, Verdict] = {}
        self._oldest = inf

    def begin(self, oldest: float = inf) -> None:
        """A new connection: a snapshot that was cut off is not gone on with.

        A snapshot of a coordinator that hears nothing, and has not for more than ``oldest`` seconds,
        is refused: the view is newer.
        """
        self._arriving = {}
        self._oldest = oldest if self.whole else inf

    def apply(self, event: Event) -> None:
        """Take in one event; CoordinatorError if it makes no sense. Unknown kinds are passed over."""
        try:
            self._apply(event)
        except msgspec.MsgspecError as error:
            raise CoordinatorError(f"an event {event.name!r} that is not valid: {error}") from None
        if event.id:
            self.resume = event.id

    def _apply(self, event: Event) -> None:
        if event.name == "snapshot":
            self._take_snapshot(_snapshot(event.data))
        elif event.name == "changes":
            self._take_changes(_changes(event.data))
        elif event.name == "ping":
            self._take_health(_ping(event.data))

    def _take_snapshot(self, part: EventSnapshot) -> None:
        self._arriving.update(part.groups.get(self.group, {}))
        _check_size(self._arriving)
        if not part.more:
            if not part.listening and _age(part) > self._oldest:
                raise CoordinatorError("it has not heard its store for longer than this knows")
            self.members, self._arriving, self.whole = self._arriving, {}, True
            self._take_health(part)

    def _take_changes(self, part: EventChanges) -> None:
        for change in part.changes:
            if change.group != self.group:
                continue
            if change.gone:
                self.members.pop(change.member, None)
            else:
                self.members[change.member] = Verdict(
                    change.up, change.schedulable, change.down, change.state
                )
        _check_size(self.members)
        if not part.more:
            self._take_health(part)

    def _take_health(self, said: EventSnapshot | EventChanges | EventPing) -> None:
        self.version = said.version
        self.listening = said.listening
        self.staleness = said.staleness


def _age(part: EventSnapshot) -> float:
    return inf if part.staleness is None else part.staleness


def _check_size(members: dict[str, Verdict]) -> None:
    if len(members) > MEMBERS_LIMIT:
        raise CoordinatorError(f"a group of more than {MEMBERS_LIMIT} members")
