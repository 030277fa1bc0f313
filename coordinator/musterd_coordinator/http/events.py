"""Server-sent events: a snapshot or a resume, then every change, and how good that knowledge is.

Nothing is queued for a reader. What it has not heard yet is in the roll's own bounded log; while
its connection is full it is not asked for more, and one that fell behind the end of that log is
given a fresh snapshot.

An event's id is ``RUN-VERSION``: versions count within one run of one coordinator, and a reader
that resumes at another coordinator, or after a restart, must not mistake one for the other.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Protocol

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from musterd.errors import NotFound
from musterd.model import EventPing, EventSnapshot, MemberChange, Verdict
from musterd_coordinator.desk import PAGE_LIMIT, Desk
from musterd_coordinator.http.problem import Problem

PING_PERIOD = 5.0
READERS_LIMIT = 1000
CHANGES_PER_EVENT = 1000
VERSION_DIGITS = 18

_encode = msgspec.json.Encoder().encode


class _Changes(msgspec.Struct, frozen=True):
    """musterd.model.EventChanges whose changes are encoded already, once for all readers."""

    version: int
    listening: bool
    staleness: float | None
    changes: msgspec.Raw
    more: bool


class Health(Protocol):
    """How good an answer is; every answer has these three."""

    @property
    def version(self) -> int: ...
    @property
    def listening(self) -> bool: ...
    @property
    def staleness(self) -> float | None: ...


class Events:
    """All streams of changes of one coordinator. ``run`` is 8 hex digits drawn for this run."""

    def __init__(self, desk: Desk, run: str, ping_period: float) -> None:
        self.readers = 0
        self._desk = desk
        self._run = run
        self._ping_period = ping_period
        self._encoded: dict[tuple[str | None, int], list[msgspec.Raw]] = {}
        self._encoded_version = -1

    def stream(self, group: str | None, since: str | None) -> AsyncGenerator[bytes]:
        """Events from now on, or from ``since``; NotFound for a group without members."""
        if self.readers >= READERS_LIMIT:
            raise Problem(503, f"{READERS_LIMIT} readers follow the events already; try later")
        if group is not None:
            self._desk.query(group, [])
        return self._events(group, self._version_of(since))

    def _version_of(self, since: str | None) -> int | None:
        run, _, version = (since or "").rpartition("-")
        usable = version.isascii() and version.isdigit() and len(version) <= VERSION_DIGITS
        return int(version) if usable and run in ("", self._run) else None

    async def _events(self, group: str | None, version: int | None) -> AsyncGenerator[bytes]:
        self.readers += 1
        try:
            told: Health | None = None
            ping_at = 0.0
            while True:
                health = self._health(group)
                news = self._news(group, version, health)
                now = anyio.current_time()
                for event in news:
                    told, ping_at = health, now + self._ping_period
                    yield event
                    await checkpoint()
                if told is None or told.listening != health.listening or now >= ping_at:
                    told, ping_at = health, now + self._ping_period
                    yield self._event("ping", _ping(health), health.version)
                version = health.version
                with anyio.move_on_at(ping_at):
                    await self._desk.wait_version(version)
        finally:
            self.readers -= 1

    def _news(self, group: str | None, version: int | None, health: Health) -> Iterator[bytes]:
        changes = None if version is None else self._changes(group, version, health.version)
        if changes is None:
            return self._snapshot(group, health)
        return self._change_events(health, changes)

    def _health(self, group: str | None) -> Health:
        if group is not None:
            try:
                return self._desk.query(group, [])
            except NotFound:
                pass  # its last member was forgotten, or it is yet to come again
        return self._desk.status()

    def _changes(self, group: str | None, since: int, version: int) -> Sequence[msgspec.Raw] | None:
        """Encoded once however many readers there are: they ask for the same at the same time."""
        if version != self._encoded_version:
            self._encoded.clear()
            self._encoded_version = version
        key = (group, since)
        if key not in self._encoded:
            changes = self._desk.changes_since(since, group)
            if changes is None:
                return None
            self._encoded[key] = [msgspec.Raw(_encode(part)) for part in _parts(changes)]
        return self._encoded[key]

    def _change_events(self, health: Health, parts: Sequence[msgspec.Raw]) -> Iterator[bytes]:
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            body = _Changes(health.version, health.listening, health.staleness, part, not last)
            yield self._event("changes", body, health.version if last else None)

    def _snapshot(self, group: str | None, health: Health) -> Iterator[bytes]:
        groups = [group] if group is not None else [one.group for one in self._desk.groups().groups]
        for name in groups:
            for verdicts in self._pages(name):
                yield self._event("snapshot", _part(health, {name: verdicts}, more=True), None)
        # Pages are read while the roll goes on: what changed meanwhile follows as changes, from
        # the version at which the first page was read.
        yield self._event("snapshot", _part(health, {}, more=False), health.version)

    def _pages(self, group: str) -> Iterator[dict[str, Verdict]]:
        after: str | None = ""
        while after is not None:
            try:
                page = self._desk.members(group, after=after, limit=PAGE_LIMIT)
            except NotFound:
                return
            yield {
                one.member: Verdict(one.up, one.schedulable, one.down, one.state)
                for one in page.members
            }
            after = page.next

    def _event(self, name: str, body: msgspec.Struct, version: int | None) -> bytes:
        # Without an id, a reader that is cut off here resumes from the last whole version.
        mark = b"" if version is None else b"id: %s-%d\n" % (self._run.encode(), version)
        return b"event: %s\n%sdata: %s\n\n" % (name.encode(), mark, _encode(body))


def _ping(health: Health) -> EventPing:
    return EventPing(health.version, health.listening, health.staleness)


def _part(health: Health, groups: dict[str, dict[str, Verdict]], *, more: bool) -> EventSnapshot:
    return EventSnapshot(health.version, health.listening, health.staleness, groups, more)


def _parts(changes: Sequence[MemberChange]) -> Iterator[Sequence[MemberChange]]:
    for start in range(0, len(changes), CHANGES_PER_EVENT):
        yield changes[start : start + CHANGES_PER_EVENT]
