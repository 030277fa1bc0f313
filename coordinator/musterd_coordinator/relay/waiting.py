"""Beats that were taken from agents and wait to be written: the newest of each member; pure.

Nothing here queues: a newer beat takes the place of an older one of its member, and both agents
(or both connections of one) hear the same in the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from musterd.beat import MAGIC, SIZE, VERSION, member_id
from musterd.model import Member
from musterd_coordinator.memcache_commands import Later

_BEGINNING = MAGIC.to_bytes(2, "little") + bytes([VERSION])
_IDENTITY = slice(8, 16)
_INCARNATION = slice(16, 24)
_SEQUENCE = slice(24, 32)


@dataclass(slots=True, eq=False)
class Seat:
    """Where the database keeps the beats of a member.

    ``holder`` is what the agent announced, ``key`` the one it beats under, ``used`` when it last
    did (an instant of the loop's clock).
    """

    slot: int
    holder: bytes
    key: bytes
    used: float


class Newcomer(NamedTuple):
    """A member that shall have a seat, and the bytes by which its agent announced it."""

    namespace: str
    member: Member
    holder: bytes

    @property
    def identity(self) -> int:
        """Its member_id."""
        return member_id(self.namespace, self.member.group, self.member.name)


class Waiting(Later):
    """One beat under its ``key``, and who waits to hear what becomes of it.

    It has a ``seat``, or is that of a ``newcomer``.
    """

    __slots__ = ("identity", "key", "newcomer", "older", "record", "seat")

    def __init__(self, identity: int, record: bytes, key: bytes) -> None:
        super().__init__()
        self.identity = identity
        self.record = record
        self.key = key
        self.seat: Seat | None = None
        self.newcomer: Newcomer | None = None
        self.older: Waiting | None = None  # another beat of this member, which this one outdid

    def chain(self) -> "Iterator[Waiting]":
        """It, and all that it outdid."""
        beat: Waiting | None = self
        while beat is not None:
            yield beat
            beat = beat.older

    def is_wanted(self) -> bool:
        """Whether anybody still waits for it or for one that it outdid."""
        return not self.abandoned or any(not beat.abandoned for beat in self.chain())

    def settle(self, outcome: bytes) -> None:
        """Say what became of it to all who wait."""
        if self.older is None:
            self.tell(outcome)
            return
        for beat in list(self.chain()):
            beat.tell(outcome)

    def outdoes(self, other: "Waiting") -> bool:
        """Whether this one, which came after ``other``, is newer than that.

        It is not if the same run of the agent counted it before: that one took a longer way.
        """
        mine, its = self.record, other.record
        if mine[_INCARNATION] != its[_INCARNATION]:
            return True
        return _number(mine[_SEQUENCE]) >= _number(its[_SEQUENCE])


class Newest:
    """The newest beat of each member among those that wait."""

    def __init__(self) -> None:
        self._beats: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._beats)

    def add(self, beat: Waiting) -> None:
        """Let it wait, in the place of an older one of its member."""
        other = self._beats.setdefault(beat.identity, beat)
        if other is beat:
            return
        if beat.outdoes(other):
            beat.older = other
            self._beats[beat.identity] = beat
        else:
            beat.older, other.older = other.older, beat

    def take(self, most: int | None = None) -> list[Waiting]:
        """Remove and give those that somebody waits for; of ``most`` that came first, or of all."""
        if most is None or most >= len(self._beats):
            taken, self._beats = list(self._beats.values()), {}
        else:
            taken = [self._beats.pop(identity) for identity in list(self._beats)[:most]]
        return [beat for beat in taken if beat.is_wanted()]


def identity_in(record: bytes) -> int | None:
    """The member_id in the bytes of a beat; None if they are none."""
    if len(record) != SIZE or not record.startswith(_BEGINNING):
        return None
    return _number(record[_IDENTITY])


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
