"""What members announce besides their names, kept once however many announce the same."""

from collections.abc import Sequence
from sys import getsizeof

import structlog

from musterd.model import Member
from musterd_coordinator.roll.batch import Facts, MemberBatch, facts_of
from musterd_coordinator.roll.interning import Interner

log = structlog.get_logger(__name__)

METADATA_ROOM = 128 << 20  # bytes of memory that all metadata may take, as Python keeps it
ROOM_FOR_EACH = 1024  # bytes for each member, where that is more
_ENTRY = 300  # bytes that a set of metadata takes besides its texts


class AnnouncementPool:
    """Group, zone, owner and metadata by a small number; kept while somebody announces them.

    All metadata takes up to ``room`` bytes of memory, or ``room_for_each`` member. Of whoever
    announces something of its own beyond that no metadata is kept.
    """

    def __init__(self, room: int = METADATA_ROOM, room_for_each: int = ROOM_FOR_EACH) -> None:
        self._numbers = Interner[Facts]()
        self._samples: dict[int, Member] = {}
        self._room, self._room_for_each = room, room_for_each
        self._taken = 0
        self._members = 0
        self._full = False

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, samples: Sequence[Member]) -> list[int | None]:
        """The number of what each of ``samples`` announces, if anybody does."""
        numbers = [self._numbers.number(facts_of(sample)) for sample in samples]
        if self._full:
            for at, number in enumerate(numbers):
                if number is None and samples[at].metadata:
                    numbers[at] = self._numbers.number(facts_of(_plain(samples[at])))
        return numbers

    def take(self, member: Member, holders: int = 1) -> int:
        """The number of what ``member`` announces; to be given back by each of ``holders``."""
        facts, self._members = facts_of(member), self._members + holders
        if member.metadata and self._numbers.number(facts) is None and not self._fits(member):
            member = _plain(member)
            facts = facts_of(member)
        number = self._numbers.take(facts, holders)
        if number not in self._samples:
            self._samples[number] = member
            self._taken += _size(member)
        return number

    def take_all(self, members: MemberBatch) -> list[int]:
        """The numbers of what the samples announce, for all ``members`` who announce the same."""
        return [
            self.take(sample, holders) if holders else 0
            for sample, holders in zip(members.samples, members.counts(), strict=True)
        ]

    def give(self, number: int) -> None:
        """One member announces it no longer."""
        self._members -= 1
        if self._numbers.give(number):
            self._taken -= _size(self._samples.pop(number))

    def _fits(self, member: Member) -> bool:
        """Whether there is room for its metadata; the first for whom there is none is told of."""
        room = max(self._room, self._room_for_each * self._members)
        fits = self._taken + _size(member) <= room
        if not fits and not self._full:
            log.warning("metadata not kept", first=str(member), bytes=self._taken, room=room)
        self._full |= not fits
        return fits

    def member(self, number: int, name: str) -> Member:
        """The member of that name who announces it."""
        like = self._samples[number]
        return Member(like.group, name, like.zone, like.owner, like.metadata)


def _plain(member: Member) -> Member:
    return Member(member.group, member.name, member.zone, member.owner)


def _size(member: Member) -> int:
    """The memory that its metadata takes: a text of characters of all kinds takes four bytes for each."""
    metadata = member.metadata
    if not metadata:
        return 0
    return _ENTRY + sum(map(getsizeof, metadata)) + sum(map(getsizeof, metadata.values()))
