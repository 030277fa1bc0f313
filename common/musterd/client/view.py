"""The module parses a coordinator's events, and adds them up to a view of members: no I/O."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from math import inf
from typing import Generic, NamedTuple, TypeVar

import msgspec

from musterd.answers import EventChanges, EventPing, EventSnapshot, MemberChange
from musterd.errors import CoordinatorError
from musterd.model import Verdict

# A thousand members of the longest names are well below this.
EVENT_LIMIT = 16 * 1024 * 1024

MEMBERS_LIMIT = 4_000_000
"""Members of one view, some 800 MB: a snapshot without an end must not take all memory."""

Key = TypeVar("Key", bound=Hashable)
Groups = Mapping[str, dict[str, Verdict]]

_snapshot = msgspec.json.Decoder(EventSnapshot).decode
_changes = msgspec.json.Decoder(EventChanges).decode
_ping = msgspec.json.Decoder(EventPing).decode


class Event(NamedTuple):
    """An ``Event`` is one server-sent event; ``id`` is empty when it has none."""

    name: str
    id: str
    data: bytes


class EventParser:
    """An ``EventParser`` makes server-sent events of bytes that come in pieces of any size.

    It reads what a musterd coordinator sends: lines end with LF, and data is one line.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that ``piece`` completed; raise CoordinatorError for one without an end."""
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        if len(self._rest) > EVENT_LIMIT:
            raise CoordinatorError(f"an event of more than {EVENT_LIMIT} bytes")
        return [_event(block) for block in blocks]


def _event(block: bytes) -> Event:
    fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
    name, mark = (fields.get(key, b"").decode("utf-8", "replace") for key in (b"event", b"id"))
    return Event(name, mark, fields.get(b"data", b""))


class View(ABC, Generic[Key]):
    """A ``View`` has verdicts on members as of ``version``, from the events applied so far.

    ``group`` is the one to follow, None: all of them. ``resume`` is the id of the last whole version.
    ``staleness`` is as it was when it was said: how long ago that was is the caller's to know. More
    than ``limit`` members are refused.
    """

    form = ""

    def __init__(self, group: str | None, *, limit: int = MEMBERS_LIMIT) -> None:
        self._limit = limit
        self.group = group
        self.members: dict[Key, Verdict] = {}
        self.whole = False  # a snapshot has come to its end
        self.version = 0
        self.listening = False
        self.staleness: float | None = None
        self.resume = ""
        self._arriving: dict[Key, Verdict] = {}
        self._changing: list[tuple[Key, MemberChange]] = []
        self._oldest = inf

    def restart(self, oldest: float = inf) -> None:
        """Begin with a new connection; drop a snapshot or a version that was cut off.

        A snapshot of a coordinator that hears nothing, and has not for more than ``oldest`` seconds,
        is refused: the view is newer.
        """
        self._arriving, self._changing = {}, []
        self._oldest = oldest if self.whole else inf

    def apply(self, event: Event) -> None:
        """Take in one event; raise CoordinatorError if it makes no sense.

        Unknown kinds are passed over.
        """
        try:
            self._apply(event)
        except msgspec.MsgspecError as error:
            raise CoordinatorError(f"an event {event.name!r} that is not valid: {error}") from None
        if event.id:
            self.resume = event.id

    def replace(self, members: dict[Key, Verdict]) -> None:
        """Replace all members by ``members``."""
        self.members = members

    def change(self, key: Key, change: MemberChange) -> None:
        """Take in one change of a whole version."""
        if change.gone:
            self.members.pop(key, None)
        else:
            self.members[key] = verdict_of(change)

    @abstractmethod
    def _keyed(self, groups: Groups) -> dict[Key, Verdict]:
        """Return the members of ``groups`` that are followed."""

    @abstractmethod
    def _key(self, change: MemberChange) -> Key:
        """Return the key of the member that ``change`` is about."""

    def _apply(self, event: Event) -> None:
        if event.name == "snapshot":
            self._take_snapshot(_snapshot(event.data))
        elif event.name == "changes":
            self._take_changes(_changes(event.data))
        elif event.name == "ping":
            self._take_health(_ping(event.data))

    def _take_snapshot(self, part: EventSnapshot) -> None:
        self._arriving.update(self._keyed(part.groups))
        self._check_size(len(self._arriving))
        if not part.more:
            if not part.listening and _age(part) > self._oldest:
                raise CoordinatorError("it has not heard its store for longer than this knows")
            arrived, self._arriving, self.whole = self._arriving, {}, True
            self.replace(arrived)
            self._take_health(part)

    def _take_changes(self, part: EventChanges) -> None:
        self._changing += [
            (self._key(change), change)
            for change in part.changes
            if self.group in (None, change.group)
        ]
        self._check_size(len(self._changing))
        if part.more:  # it comes again as a whole if it is cut off here
            return
        changes, self._changing = self._changing, []
        for key, change in changes:
            self.change(key, change)
        self._check_size(len(self.members))
        self._take_health(part)

    def _take_health(self, said: EventSnapshot | EventChanges | EventPing) -> None:
        self.version = said.version
        self.listening = said.listening
        self.staleness = said.staleness

    def _check_size(self, members: int) -> None:
        if members > self._limit:
            raise CoordinatorError(f"more than {self._limit} members")


class GroupView(View[str]):
    """A ``GroupView`` has the members of one group, by name."""

    def _keyed(self, groups: Groups) -> dict[str, Verdict]:
        return {} if self.group is None else groups.get(self.group, {})

    def _key(self, change: MemberChange) -> str:
        return change.member


class FleetView(View[tuple[str, str]]):
    """A ``FleetView`` has the members of all groups, or of one, by group and name."""

    def _keyed(self, groups: Groups) -> dict[tuple[str, str], Verdict]:
        return {
            (group, member): verdict
            for group, members in groups.items()
            if self.group in (None, group)
            for member, verdict in members.items()
        }

    def _key(self, change: MemberChange) -> tuple[str, str]:
        return change.group, change.member


def verdict_of(change: MemberChange) -> Verdict:
    """Return what a member became by ``change``."""
    return Verdict(change.up, change.schedulable, change.down, change.state)


def _age(part: EventSnapshot) -> float:
    return inf if part.staleness is None else part.staleness
