"""These are beats that were taken from agents and wait to be written. Pure.

Nothing here queues for long: all that waits goes into the next batch, of which each member's newest
beat is written; both agents (or both connections of one) hear the same in the end.
"""

from collections.abc import Iterator
from typing import NamedTuple

from musterd.beat import SIZE, member_id
from musterd.model import Member
from musterd_coordinator.memcache.commands import PendingReply
from musterd_coordinator.relay.runs import BEGINNINGS

NEXT = 2
"""Beats by which one may be ahead of another of its run that is still fresh: one may have failed."""

_IDENTITY = slice(8, 16)
_INCARNATION = slice(16, 24)
_SEQUENCE = slice(24, 32)
_BETWEEN = b"\r\n"


class PendingBeats(PendingReply):
    """`PendingBeats` are one beat or more that came together, and wait for what becomes of them.

    ``records`` are their bytes, one beat after the other. None of them came before ``came``, a
    relay's monotonic clock.
    """

    __slots__ = ("came", "records")

    def __init__(self, records: bytes) -> None:
        self.records = records
        self.came = 0.0
        self.outcome = self.wake = None
        self.abandoned = False

    @property
    def size(self) -> int:
        """Return how many bytes are held, see :class:`PendingReply`."""
        return len(self.records)

    @property
    def lets_pass(self) -> bool:
        """Say yes, see :class:`PendingReply`: what comes after beats of seated members need not wait."""
        return True

    @property
    def count(self) -> int:
        """Return how many beats these are."""
        return len(self.records) // SIZE

    @property
    def is_wanted(self) -> bool:
        """Say whether any agent still waits."""
        return not self.abandoned

    def acknowledge(self, outcome: bytes) -> None:
        """Say what became of all of them."""
        self.resolve(_BETWEEN.join([outcome] * self.count))

    def acknowledge_each(self, outcomes: list[bytes]) -> None:
        """Say what became of each."""
        self.resolve(_BETWEEN.join(outcomes))


class Newcomer(NamedTuple):
    """A `Newcomer` is a member that shall have a seat, and the bytes by which its agent announced it.

    ``mac`` came with them, and ``seals`` are what its beats are checked with.
    """

    namespace: str
    member: Member
    holder: bytes
    mac: bytes = b""
    seals: bytes = b""

    @property
    def identity(self) -> int:
        """Return its member_id."""
        return member_id(self.namespace, self.member.group, self.member.name)


class FirstBeat(PendingBeats):
    """A `FirstBeat` is the first beat of a ``newcomer``, under its ``key``; it has no seat yet."""

    __slots__ = ("identity", "key", "newcomer", "older")

    def __init__(self, identity: int, record: bytes, key: bytes, newcomer: Newcomer) -> None:
        super().__init__(record)
        self.identity = identity
        self.key = key
        self.newcomer = newcomer
        self.older: FirstBeat | None = None  # another beat of this member, which this one outdid

    @property
    def lets_pass(self) -> bool:
        """Say no: the next beat of this member needs the seat."""
        return False

    @property
    def is_wanted(self) -> bool:
        """Say whether any agent still waits for it or for one that it outdid."""
        return any(not beat.abandoned for beat in self.chain())

    def chain(self) -> "Iterator[FirstBeat]":
        """Yield it, and all that it outdid."""
        beat: FirstBeat | None = self
        while beat is not None:
            yield beat
            beat = beat.older

    def acknowledge(self, outcome: bytes) -> None:
        """Say what became of it to all agents that wait."""
        for beat in list(self.chain()):
            beat.resolve(outcome)

    def acknowledge_each(self, outcomes: list[bytes]) -> None:
        """Do as :meth:`acknowledge`: there is one."""
        self.acknowledge(outcomes[0])


class NewestFirst:
    """`NewestFirst` has the newest first beat of each newcomer among those that wait."""

    def __init__(self) -> None:
        self._beats: dict[int, FirstBeat] = {}

    def __len__(self) -> int:
        return len(self._beats)

    def put(self, beat: FirstBeat) -> None:
        """Let it wait, in the place of an older one of its member."""
        other = self._beats.setdefault(beat.identity, beat)
        if other is beat:
            return
        if outdoes(beat.records, other.records):
            beat.older = other
            self._beats[beat.identity] = beat
        else:
            beat.older, other.older = other.older, beat

    def pop(self, most: int | None = None) -> list[FirstBeat]:
        """Remove and return those that an agent waits for; of ``most`` that came first, or of all."""
        if most is None or most >= len(self._beats):
            taken, self._beats = list(self._beats.values()), {}
        else:
            taken = [self._beats.pop(identity) for identity in list(self._beats)[:most]]
        return [beat for beat in taken if beat.is_wanted]


def outdoes(one: bytes, other: bytes) -> bool:
    """Say whether record ``one``, which came after ``other``, is newer than that.

    It is not if the same run of the agent counted it before: that one took a longer way.
    """
    if one[_INCARNATION] != other[_INCARNATION]:
        return True
    return _number(one[_SEQUENCE]) >= _number(other[_SEQUENCE])


def identity_in(record: bytes) -> int | None:
    """Return the member_id in the bytes of a beat; None if they are none."""
    if len(record) != SIZE or not record.startswith(BEGINNINGS):
        return None
    return _number(record[_IDENTITY])


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
