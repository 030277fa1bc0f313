"""Takes the beats that agents send; an agent gets its answer when the database had its say.

Everything else that agents say goes into the table, as in an embedded store. What holds here is
told by the keys of :mod:`musterd.stores.keyed`: ``set`` of a beat's key is the first beat after an
announcement, ``replace`` is every other one.
"""

import re
from collections.abc import Callable
from functools import partial

import anyio

from musterd.beat import SIZE
from musterd.stores.items import Outcome
from musterd.stores.keyed import HolderError, Keys, read_holder, read_slots, write_slots
from musterd.stores.table import Table
from musterd_coordinator.memcache_commands import Later, Store, StoreCommand
from musterd_coordinator.relay.waiting import Newcomer, Newest, Seat, Waiting, identity_in

NOT_A_BEAT = b"CLIENT_ERROR bad data chunk: not a beat"
_NOBODYS = b"SERVER_ERROR nobody announced the member of this beat here"
_BEAT, _HOLDER = b":b:", b":m:"
_DIGITS = 8  # of a slot, at the end of a key
_USUAL = re.compile(
    rb"replace [!-~]+:b:[0-9a-f]{8} 0 [1-9][0-9]{0,9} 64\r\nBM\x01.{5}(.{8}).{48}\r\n", re.DOTALL
).fullmatch
_HINTS = 64  # slots that the key of free ones names


class Queue:
    """Beats that wait for the same thing, and a way to wait for the first of them."""

    def __init__(self) -> None:
        self.beats = Newest()
        self._filled = anyio.Event()

    def add(self, beat: Waiting) -> None:
        """Let it wait."""
        if not self.beats:
            self._filled.set()
        self.beats.add(beat)

    def take(self, most: int | None = None) -> list[Waiting]:
        """As :meth:`Newest.take`."""
        taken = self.beats.take(most)
        if not self.beats:
            self._filled = anyio.Event()
        return taken

    async def wait(self) -> None:
        """Until there is one."""
        await self._filled.wait()


class Reception:
    """What the server asks about every storage command.

    ``known`` are beats of members with a seat in the database, ``new`` those that need one.
    """

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        self.known = Queue()
        self.new = Queue()
        self.seats: dict[int, Seat] = {}
        self._table = table
        self._clock = clock
        self._closed: bytes | None = None

    def storer(self, command: StoreCommand) -> Store | None:
        """Who takes this command's data; None: the table."""
        key = command.key
        if key[-_DIGITS - len(_BEAT) : -_DIGITS] != _BEAT:
            return None
        if command.verb == b"replace":
            return self._take_next
        return partial(self._take_first, key) if command.verb == b"set" else None

    def glance(self, data: bytes) -> Later | None:
        """The usual case: one whole ``replace`` of a member who has a seat."""
        found = _USUAL(data)
        if found is None or self._closed is not None:
            return None
        identity = int.from_bytes(found[1], "little")
        seat = self.seats.get(identity)
        if seat is None:
            return None
        beat = Waiting(identity, data[-2 - SIZE : -2], seat.key)
        beat.seat = seat
        self.known.add(beat)
        return beat

    def close(self, reason: bytes) -> None:
        """Refuse all that waits and all that comes, for ``reason``: a whole reply."""
        self._closed = reason
        for beat in self.known.take() + self.new.take():
            beat.settle(reason)

    def admit(self, beat: Waiting) -> None:
        """Let a beat whose member has a seat by now go the way of all others."""
        if self._closed is not None:
            beat.settle(self._closed)
        else:
            self.known.add(beat)

    def seat(self, beat: Waiting, slot: int) -> None:
        """Note that the database keeps this slot for the newcomer who sent this beat."""
        if beat.newcomer is not None:
            beat.seat = Seat(slot, beat.newcomer.holder, beat.key, self._clock())
            self.seats[beat.identity] = beat.seat

    def forget(self, identity: int) -> None:
        """The database has no such member: its next beat is NOT_STORED, until it announces."""
        self.seats.pop(identity, None)

    def vacate(self, identity: int, seat: Seat) -> None:
        """Drop all that is kept of a member who went away, and let a newcomer have its slot."""
        self.forget(identity)
        keys = Keys(seat.key[: -_DIGITS - len(_BEAT)].decode())
        if self._announced(seat.key) != seat.holder:
            return  # another member has the slot by now, or the same one came back
        self._table.delete(_holder_key(seat.key))
        self._table.delete(keys.index(identity))
        free = self._table.get((keys.free,))[0]
        slots = [int(seat.key[-_DIGITS:], 16), *read_slots(free.value if free else None)]
        self._table.set(keys.free, write_slots(*dict.fromkeys(slots[:_HINTS])))

    def _take_next(self, record: bytes) -> bytes | Later:
        identity = identity_in(record)
        if identity is None:
            return NOT_A_BEAT
        if self._closed is not None:
            return self._closed
        seat = self.seats.get(identity)
        if seat is None:
            return Outcome.NOT_STORED
        beat = Waiting(identity, record, seat.key)
        beat.seat = seat
        self.known.add(beat)
        return beat

    def _take_first(self, key: bytes, record: bytes) -> bytes | Later:
        identity = identity_in(record)
        if identity is None:
            return NOT_A_BEAT
        if self._closed is not None:
            return self._closed
        beat = Waiting(identity, record, key)
        beat.seat = self.seats.get(identity)
        holder = self._announced(key)
        if beat.seat is not None and beat.seat.holder == holder:
            beat.seat.key = key
            self.known.add(beat)
            return beat
        beat.newcomer = _newcomer(key, holder)
        if beat.newcomer is None or beat.newcomer.identity != identity:
            return _NOBODYS
        self.new.add(beat)
        return beat

    def _announced(self, key: bytes) -> bytes | None:
        item = self._table.get((_holder_key(key),))[0]
        return None if item is None else item.value


def _newcomer(key: bytes, holder: bytes | None) -> Newcomer | None:
    """Whom ``holder`` names; None if it names nobody."""
    try:
        member = None if holder is None else read_holder(holder)
    except HolderError:
        return None
    if holder is None or member is None:
        return None
    namespace = key[: -_DIGITS - len(_BEAT)].decode("ascii", "replace")
    return Newcomer(namespace, member, holder)


def _holder_key(key: bytes) -> bytes:
    return key[: -_DIGITS - len(_BEAT)] + _HOLDER + key[-_DIGITS:]
