"""An `Inbox` takes the beats that agents send, which it answers when the database had its say.

Everything else that agents say goes into the table, as in an embedded store. What holds here is
told by the keys of :mod:`musterd.stores.slots.protocol`: ``set`` of a beat's key is the first beat after an
announcement, ``replace`` is every other one.
"""

import re
from collections.abc import Callable
from functools import partial

import anyio
import numpy as np

from musterd.beat import SIZE
from musterd.stores.slots.protocol import (
    HolderError,
    Keys,
    read_announcement,
    read_slots,
    write_slots,
)
from musterd.stores.table.items import Outcome
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.commands import PendingReply, Store, StoreCommand
from musterd_coordinator.relay.checking import SEALS, RelayChecks
from musterd_coordinator.relay.runs import find_run
from musterd_coordinator.relay.seats import RelaySlots
from musterd_coordinator.relay.waiting import (
    FirstBeat,
    Newcomer,
    NewestFirst,
    PendingBeats,
    identity_in,
)
from musterd_coordinator.steps import Steps

NOT_A_BEAT = b"CLIENT_ERROR bad data chunk: not a beat"
MOST_MEMBERS = 2_000_000
"""Members that have a seat here or wait for one; one that comes then goes to another relay."""

_FULL = b"SERVER_ERROR this relay has no room for more members"
_NOBODYS = b"SERVER_ERROR nobody announced the member of this beat here"
_UNSIGNED = b"SERVER_ERROR the member of this beat was not announced with its key"
_FORGED = b"SERVER_ERROR this beat is not signed with its member's key, or for an old challenge"
_NOT_YOURS = b"SERVER_ERROR coordinators write the challenge"
_BEAT, _HOLDER, _CHALLENGE = b":b:", b":m:", b":e"
_DIGITS = 8  # of a slot, at the end of a key
_USUAL = re.compile(
    rb"replace [!-~]+:b:[0-9a-f]{8} 0 [1-9][0-9]{0,9} 64\r\nBM[\x01\x02].{5}(.{8}).{48}\r\n",
    re.DOTALL,
).fullmatch
_SEALED_AT_ONCE = 250  # members, in one step
_HINTS = 64  # slots that the key of free ones names


class Wakeup:
    """A `Wakeup` is a way to wait until something is there."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self, filled: bool) -> None:
        """Note whether something is there now."""
        if filled:
            self._event.set()
        elif self._event.is_set():
            self._event = anyio.Event()

    async def wait(self) -> None:
        """Wait until something is there."""
        await self._event.wait()


class BeatQueue:
    """A `BeatQueue` has beats of members with a seat in the database, in the order they came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._beats: list[PendingBeats] = []
        self._filled = Wakeup()
        self.wait = self._filled.wait

    @property
    def count(self) -> int:
        """Return how many beats wait."""
        return sum(beats.count for beats in self._beats)

    def put(self, beats: PendingBeats) -> None:
        """Let them wait."""
        if self._beats:
            beats.came = self._beats[0].came  # or later: to look at the clock takes its time
        else:
            beats.came = self._clock()
            self._filled.set(True)
        self._beats.append(beats)

    def drain(self) -> list[PendingBeats]:
        """Remove and return them."""
        taken, self._beats = self._beats, []
        self._filled.set(False)
        return taken


class NewcomerQueue:
    """A `NewcomerQueue` has first beats of members that need a seat: the newest of each."""

    def __init__(self) -> None:
        self._beats = NewestFirst()
        self._filled = Wakeup()
        self.wait = self._filled.wait

    def __len__(self) -> int:
        return len(self._beats)

    def put(self, beat: FirstBeat) -> None:
        """Let it wait."""
        self._beats.put(beat)
        self._filled.set(True)

    def pop(self, most: int | None = None) -> list[FirstBeat]:
        """Remove and return them as :meth:`NewestFirst.pop` does."""
        taken = self._beats.pop(most)
        self._filled.set(bool(self._beats))
        return taken


class Inbox:
    """An `Inbox` is what the server asks about every storage command."""

    def __init__(
        self,
        table: Table,
        clock: Callable[[], float],
        service_down_time: float = 60.0,
        checks: RelayChecks | None = None,
    ) -> None:
        self.known = BeatQueue(clock)
        self.new = NewcomerQueue()
        self.seats = RelaySlots(
            born=clock(),
            service_down_time=service_down_time,
            seal_words=SEALS if checks else 0,
        )
        self.checks = checks
        self._table = table
        self._clock = clock
        self._closed: bytes | None = None

    def seal_anew(self, checks: RelayChecks) -> Steps[None]:
        """Check the beats of all members that have a seat by the keys of now, in steps."""
        for place, holder in enumerate(self.seats.holders):
            said = read_announcement(holder) if holder else None
            if said is not None:
                self.seats.seals[:, place] = np.frombuffer(checks.seals(said[0]), np.uint64)
            if not (place + 1) % _SEALED_AT_ONCE:
                yield

    def signed(self, place: int, most: int) -> list[Newcomer]:
        """Return who sits at ``place`` and the ``most - 1`` after it, and was announced with its key."""
        seats, end = self.seats, place + most
        pairs = zip(seats.keys[place:end], seats.holders[place:end], strict=True)
        known = (_newcomer(key, holder) for key, holder in pairs if holder)
        return [each for each in known if each is not None and each.mac]

    def unseat(self, newcomer: Newcomer) -> None:
        """Have its agent announce it again with its next beat, unless it did so since."""
        place = self.seats.find(newcomer.identity)
        if place is not None and self.seats.holders[place] == newcomer.holder:
            self.seats.remove(newcomer.identity)

    def storer(self, command: StoreCommand) -> Store | None:
        """Return what takes this command's data; None: the table."""
        key = command.key
        if key[-_DIGITS - len(_BEAT) : -_DIGITS] != _BEAT:
            return _keep_out if self.checks and key.endswith(_CHALLENGE) else None
        if command.verb == b"replace":
            return self._take_next
        return partial(self._take_first, key) if command.verb == b"set" else None

    def glance(self, data: bytes) -> PendingReply | None:
        """Take the usual case: one whole ``replace`` of a member that has a seat."""
        found = _USUAL(data)
        if found is None or self._closed is not None:
            return None
        if self.seats.find(int.from_bytes(found[1], "little")) is None:
            return None
        beat = PendingBeats(data[-2 - SIZE : -2])
        self.known.put(beat)
        return beat

    def glance_at_run(self, data: bytearray) -> tuple[PendingReply, int] | None:
        """Take many usual ones; which of their members have no seat is seen when they are written."""
        found = find_run(data) if self._closed is None else None
        if found is None:
            return None
        beats = PendingBeats(found[0])
        self.known.put(beats)
        return beats, found[1]

    def close(self, reason: bytes) -> None:
        """Refuse all that waits and all that comes, for ``reason``: a whole reply."""
        self._closed = reason
        for beat in [*self.known.drain(), *self.new.pop()]:
            beat.acknowledge(reason)

    def seat(self, beat: FirstBeat, slot: int) -> None:
        """Note the database's slot for a newcomer; its beat now goes the way of all others."""
        newcomer, now = beat.newcomer, self._clock()
        self.seats.put(beat.identity, slot, newcomer.holder, beat.key, now, newcomer.seals)
        if self._closed is not None:
            beat.acknowledge(self._closed)
        else:
            self.known.put(beat)

    def vacate(self, identity: int) -> None:
        """Drop all that is kept of a member that went away, and let a newcomer have its slot."""
        place = self.seats.find(identity)
        if place is None:
            return
        key, holder = self.seats.keys[place], self.seats.holders[place]
        self.seats.remove(identity)
        keys = Keys(key[: -_DIGITS - len(_BEAT)].decode())
        if self._announced(key) != holder:
            return  # another member has the slot by now, or the same one came back
        self._table.delete(_holder_key(key))
        self._table.delete(keys.index(identity))
        free = self._table.get((keys.free,))[0]
        slots = [int(key[-_DIGITS:], 16), *read_slots(free.value if free else None)]
        self._table.set(keys.free, write_slots(*dict.fromkeys(slots[:_HINTS])))

    def _take_next(self, record: bytes) -> bytes | PendingReply:
        identity = identity_in(record)
        if identity is None:
            return NOT_A_BEAT
        if self._closed is not None:
            return self._closed
        if self.seats.find(identity) is None:
            return Outcome.NOT_STORED
        beat = PendingBeats(record)
        self.known.put(beat)
        return beat

    def _take_first(self, key: bytes, record: bytes) -> bytes | PendingReply:
        identity = identity_in(record)
        if identity is None:
            return NOT_A_BEAT
        if self._closed is not None:
            return self._closed
        place, holder = self.seats.find(identity), self._announced(key)
        if place is not None and self.seats.holders[place] == holder:
            self.seats.keys[place] = key
            again = PendingBeats(record)
            self.known.put(again)
            return again
        if place is None and len(self.seats) + len(self.new) >= MOST_MEMBERS:
            return _FULL
        newcomer = _newcomer(key, holder)
        if newcomer is None or newcomer.identity != identity:
            return _NOBODYS
        if self.checks is not None:
            if self.checks.fault(newcomer.member, newcomer.mac):
                return _UNSIGNED
            newcomer = newcomer._replace(seals=self.checks.seals(newcomer.member))
            if not self.checks.fits(record, newcomer.seals):
                return _FORGED
        first = FirstBeat(identity, record, key, newcomer)
        self.new.put(first)
        return first

    def _announced(self, key: bytes) -> bytes | None:
        item = self._table.get((_holder_key(key),))[0]
        return None if item is None else item.value


def _newcomer(key: bytes, holder: bytes | None) -> Newcomer | None:
    """Return what ``holder`` names; None if it names no member."""
    try:
        said = None if holder is None else read_announcement(holder)
    except HolderError:
        return None
    if holder is None or said is None:
        return None
    namespace = key[: -_DIGITS - len(_BEAT)].decode("ascii", "replace")
    member, mac = said
    return Newcomer(namespace, member, holder, mac)


def _keep_out(value: bytes) -> bytes:
    del value
    return _NOT_YOURS


def _holder_key(key: bytes) -> bytes:
    return key[: -_DIGITS - len(_BEAT)] + _HOLDER + key[-_DIGITS:]
