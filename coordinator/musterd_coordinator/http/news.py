"""What readers of events are told is made once for all that are to hear the same."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from musterd.answers import EventPing, EventSnapshot, MemberChange
from musterd.incidents import EventIncidents, Incident
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.healths import AnswerHealth, AnswerHealths
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.steps import Steps

CHANGES_PER_EVENT = 1000
SERVED = 10.0
"""Seconds for which a snapshot serves readers that come: what changed since follows as changes."""

KEPT = 30.0
"""Seconds in which a reader has to take a snapshot: then it is forgotten."""

_encode = msgspec.json.Encoder().encode


class TooSlow(Exception):
    """A reader did not take its snapshot in time; it may ask for a fresh one."""


class StreamNews(NamedTuple):
    """A `StreamNews` has events that bring a reader to ``version``, and a ping that says the same of it."""

    version: int
    listening: bool
    events: Iterable[bytes]
    ping: bytes


class _Changes(msgspec.Struct, frozen=True):
    """A `_Changes` is a `musterd.answers.EventChanges` with changes that are encoded already."""

    version: int
    listening: bool
    staleness: float | None
    changes: msgspec.Raw
    more: bool


class _Snapshot(NamedTuple):
    version: int
    at: float
    events: list[bytes]  # emptied when it is forgotten


class StreamFeed:
    """A `StreamFeed` makes the events of one run of one coordinator."""

    def __init__(self, desk: CoordinatorApi, run: str, turns: Turns, gauges: HttpGauges) -> None:
        self._desk = desk
        self._gauges = gauges
        self._run = run.encode()
        self._turns = turns
        self._healths = AnswerHealths(desk)
        self._told: dict[tuple[str | None, int], tuple[AnswerHealth, StreamNews]] = {}
        self._told_at = -1
        self._snapshots: dict[str | None, _Snapshot] = {}
        self._taken: deque[_Snapshot] = deque()  # all that may be read still, the oldest first
        self._attention: Sequence[Incident] = ()
        self._told_of: dict[str | None, bytes] = {}  # what needs attention, by group
        self.no_incidents = self._event("incidents", EventIncidents([]), None)
        self._making = anyio.Lock()
        self._telling = anyio.Lock()

    async def news_since(self, group: str | None, version: int | None) -> StreamNews:
        """Return what a reader that knows ``version`` is to hear; a snapshot if it knows none of use."""
        self._forget_old(anyio.current_time())
        if version is not None and (told := await self._changes(group, version)):
            return told
        self._gauges.snapshots += 1
        async with self._making:
            return await self._snapshot(group)

    def incidents(self, group: str | None) -> bytes:
        """Return the event with what needs attention, the same as long as that is the same."""
        now = self._desk.incidents().incidents
        if now is not self._attention:
            self._attention = now
            self._told_of.clear()
        if (told := self._told_of.get(group)) is None:
            theirs = now if group is None else self._desk.incidents_of(group)
            told = self._event("incidents", EventIncidents(theirs), None)
            self._told_of[group] = told
        return told

    def clear(self) -> None:
        """Keep nothing, as nobody listens."""
        self._snapshots.clear()
        self._taken.clear()
        self._told.clear()
        self._healths.clear()
        self._told_of.clear()

    def _known(self, group: str | None, since: int) -> StreamNews | None:
        """Return what is to be heard after ``since``, if that is nothing, or was made already."""
        health = self._healths.of(group)
        if health.version != self._told_at:
            self._told.clear()
            self._told_at = health.version
        if since == health.version:
            return self._quiet(health)
        kept = self._told.get((group, since))
        return kept[1] if kept is not None and kept[0] is health else None

    async def _changes(self, group: str | None, since: int) -> StreamNews | None:
        """Return changes after ``since``, made once however many readers ask for them at the same time."""
        if told := self._known(group, since):
            return told
        async with self._telling:
            await self._desk.flushed()
            return self._known(group, since) or await self._tell(group, since)

    async def _tell(self, group: str | None, since: int) -> StreamNews | None:
        health, changes = self._healths.of(group), self._desk.changes_since(since, group)
        if changes is None:
            return None
        parts = [changes[at : at + CHANGES_PER_EVENT] for at in _starts(changes)]
        told = self._quiet(health)._replace(events=await self._events(health, parts))
        self._told[group, since] = health, told
        return told

    async def _events(
        self, health: AnswerHealth, parts: Sequence[Sequence[MemberChange]]
    ) -> list[bytes]:
        """Return an event for each part, which is a step."""
        events = list[bytes]()
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            body = _Changes(*health[:3], msgspec.Raw(_encode(part)), not last)
            events.append(self._event("changes", body, health.version if last else None))
            if not last:
                await checkpoint()
        return events

    def _quiet(self, health: AnswerHealth) -> StreamNews:
        ping = self._event("ping", EventPing(*health[:3]), health.version)
        return StreamNews(health.version, health.listening, (), ping)

    async def _snapshot(self, group: str | None) -> StreamNews:
        """Return everything; made anew only where what changed since the last one cannot follow it."""
        kept = self._snapshots.get(group)
        if kept is None or not self._desk.is_at_hand(kept.version):
            kept = await self._turns.alone(self._make(group))
            self._snapshots[group] = kept
            self._taken.append(kept)
        health = self._healths.of(group)._replace(version=kept.version)
        last = EventSnapshot(*health[:3], {}, more=False)
        told = self._quiet(health)
        return told._replace(
            events=_parts(kept.events, self._event("snapshot", last, kept.version))
        )

    def _forget_old(self, now: float) -> None:
        if any(now - kept.at >= SERVED for kept in self._snapshots.values()):
            self._snapshots = {
                group: kept for group, kept in self._snapshots.items() if now - kept.at < SERVED
            }
        while self._taken and now - self._taken[0].at >= KEPT:
            self._taken.popleft().events.clear()

    def _make(self, group: str | None) -> Steps[_Snapshot]:
        """Make a snapshot of portions that are read while the roll goes on.

        What changed meanwhile follows as changes, from the version at which the first was read.
        """
        health = self._healths.of(group)
        events: list[bytes] = []
        for portion in self._desk.portions(group):
            body = EventSnapshot(*health[:3], portion, more=True)
            events.append(self._event("snapshot", body, None))
            yield
        return _Snapshot(health.version, health.at, events)

    def _event(self, name: str, body: msgspec.Struct, version: int | None) -> bytes:
        # Without an id, a reader that is cut off here resumes from the last whole version.
        mark = b"" if version is None else b"id: %s-%d\n" % (self._run, version)
        return b"event: %s\n%sdata: %s\n\n" % (name.encode(), mark, _encode(body))


def _parts(events: list[bytes], last: bytes) -> Iterator[bytes]:
    for at in range(len(events)):
        if not events:
            raise TooSlow
        yield events[at]
    yield last


def _starts(changes: Sequence[MemberChange]) -> range:
    return range(0, len(changes), CHANGES_PER_EVENT)
