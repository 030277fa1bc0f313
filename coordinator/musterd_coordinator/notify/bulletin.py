"""The bulletin decides what is to be told, given what was told and what is heard. Pure: times come in.

It has what goes on in place of a queue: of one matter there is one message at most that waits, and what
is over before it could be told is told once. So what waits is bounded by what goes on.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import inf

import msgspec
from msgspec.structs import replace

from musterd_coordinator.notify.matters import AWAY, Matter, Message, MessageKind, text_of
from musterd_coordinator.notify.voices import Heard

GATHER = 5.0
"""Seconds from when a matter is first heard until it is told: a rack falls silent within some."""

GONE = 30.0
"""Seconds for which a matter must not be heard of until it is told as resolved."""

AGAIN = 60.0
"""Seconds between two messages about the size of one matter, at least."""

MOST = 1000
"""Matters that are kept; those that come beyond them wait until others are over."""

_LEFT = ": what is left of it is "
_MANY = 100  # parts that a coordinator tells of one incident: there may be more


class Announced(msgspec.Struct, frozen=True):
    """An `Announced` is what must survive a restart: a matter as it was last told, and its size."""

    told: Matter


class _Entry:
    """An `_Entry` is a matter as it was heard last, and as it was told last."""

    def __init__(self, matter: Matter, told: Matter | None, now: float) -> None:
        self.matter, self.told = matter, told
        self.first = now
        self.told_at = -inf
        self.missing: float | None = None  # since when it is not heard of, where that counts
        self.missing_at: datetime | None = None
        self.over = False
        self.refused = 0
        self.not_before = -inf


class Bulletin:
    """A `Bulletin` has all matters that go on, or are over and not told so yet.

    ``kept`` are those that an earlier run told. ``repeat`` is after how many seconds one is told again.
    """

    def __init__(self, kept: Iterable[Announced], now: float, repeat: float = inf) -> None:
        self._entries = {one.told.id: _Entry(one.told, one.told, now) for one in kept}
        self._repeat = repeat
        self.left_out = 0

    def hear(self, heard: Heard, now: float, wall: datetime) -> None:
        """Take what is heard now; ``wall`` is the same moment for people."""
        matters = dict(heard.matters)
        for entry in self._entries.values():
            if (shrunk := _remains(entry.matter, matters)) is not None:
                matters[shrunk.id] = shrunk
        covered = {part for matter in matters.values() for part in matter.parts}
        many = {matter.kind for matter in matters.values() if len(matter.parts) >= _MANY}
        for key, entry in self._entries.items():
            counts = heard.silence_counts or entry.matter.kind == AWAY
            unsure = key in covered or (entry.matter.kind in many and key not in matters)
            _note_silence(entry, counts and key not in matters and not unsure, now, wall)
        self._enter(matters, covered, now)

    def _enter(self, matters: dict[str, Matter], covered: set[str], now: float) -> None:
        self.left_out = 0
        for key, matter in matters.items():
            if (entry := self._entries.get(key)) is not None:
                entry.matter = matter
            elif key in covered:
                continue
            elif len(self._entries) < MOST:
                self._entries[key] = _Entry(matter, None, now)
            else:
                self.left_out += 1
        for key in [key for key, one in self._entries.items() if one.over and _is_blip(one)]:
            del self._entries[key]

    def due(self, now: float, wall: datetime) -> Iterator[Message]:
        """Yield what is to be told now, what was refused least often first."""
        ready = [entry for entry in self._entries.values() if now >= entry.not_before]
        for entry in sorted(ready, key=lambda one: one.refused):
            if (event := self._event(entry, now)) is not None:
                yield self._message(entry, event, wall)

    @property
    def waiting(self) -> int:
        """Return how many matters were heard of and not told at all."""
        return sum(entry.told is None for entry in self._entries.values())

    @property
    def going_on(self) -> int:
        """Return how many matters go on."""
        return sum(not entry.over for entry in self._entries.values())

    def accepted(self, message: Message, now: float) -> None:
        """Note that ``message`` was delivered."""
        if message.incident is None:
            return
        entry = self._entries[message.incident.id]
        if message.event is MessageKind.RESOLVED:
            del self._entries[message.incident.id]
            return
        entry.told, entry.told_at = message.incident, now
        entry.refused, entry.not_before = 0, -inf

    def refused(self, message: Message, now: float, pause: float) -> None:
        """Note that this message was not taken: others go first, and it waits for ``pause`` seconds."""
        if message.incident is not None:
            entry = self._entries[message.incident.id]
            entry.refused += 1
            entry.not_before = now + pause

    def kept(self) -> list[Announced]:
        """Return what was told and not told to be over."""
        return [Announced(one.told) for one in self._entries.values() if one.told is not None]

    def _event(self, entry: _Entry, now: float) -> MessageKind | None:
        if entry.over:
            return MessageKind.RESOLVED
        if entry.told is None:
            is_news = entry.missing is None and now - entry.first >= GATHER
            return MessageKind.OPENED if is_news else None
        if entry.told.kind != entry.matter.kind:
            return MessageKind.CHANGED
        if _is_other_size(entry.told, entry.matter) and now - entry.told_at >= AGAIN:
            return MessageKind.CHANGED
        is_late = self._repeat < inf and now - entry.told_at >= self._repeat
        return MessageKind.ONGOING if is_late else None

    def _message(self, entry: _Entry, event: MessageKind, wall: datetime) -> Message:
        # An ongoing one is told as it was: a change by less than a half is none.
        matter = entry.matter
        if event is MessageKind.ONGOING and entry.told is not None:
            matter = replace(matter, count=entry.told.count)
        return Message(
            event,
            wall,
            text_of(event, matter, entry.told),
            matter,
            entry.told,
            entry.missing_at if entry.over else None,
            self.going_on,
        )


def _note_silence(entry: _Entry, is_silent: bool, now: float, wall: datetime) -> None:
    if not is_silent:
        entry.missing, entry.missing_at, entry.over = None, None, False
        return
    if entry.missing is None:
        entry.missing, entry.missing_at = now, max(wall, entry.matter.since)
    entry.over = entry.over or now - entry.missing >= GONE


def _is_blip(entry: _Entry) -> bool:
    """Say whether it was over before it had to be told at all."""
    return entry.told is None and entry.missing is not None and entry.missing - entry.first < GATHER


def _is_other_size(told: Matter, matter: Matter) -> bool:
    return abs(matter.count - told.count) >= max(1, told.count / 2)


def _remains(known: Matter, matters: dict[str, Matter]) -> Matter | None:
    """Return what is left of one that was many, where its parts are told one by one now."""
    if known.id in matters or not known.parts:
        return None
    left = [matters[part] for part in known.parts if part in matters]
    if not left:
        return None
    what = f"{known.what.partition(_LEFT)[0]}{_LEFT}{'; '.join(one.what for one in left)}"
    return replace(known, count=sum(one.count for one in left), what=what)
