"""The module keeps what members announce besides their names, once however many announce it."""

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
    """An `AnnouncementPool` numbers group, zone, owner and metadata while a member announces them.

    All metadata takes up to ``room`` bytes of memory, or ``room_for_each`` bytes for each member
    where that is more. Beyond that, the metadata of a member that announces something of its own is
    not kept.
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
        """Return the number of what each of ``samples`` announces, None where no member does."""
        numbers = [self._numbers.number(facts_of(sample)) for sample in samples]
        if self._full:
            for at, number in enumerate(numbers):
                if number is None and samples[at].metadata:
                    numbers[at] = self._numbers.number(facts_of(_plain(samples[at])))
        return numbers

    def acquire(self, member: Member, holders: int = 1) -> int:
        """Return the number of what ``member`` announces, which each of ``holders`` releases."""
        facts, self._members = facts_of(member), self._members + holders
        if member.metadata and self._numbers.number(facts) is None and not self._fits(member):
            member = _plain(member)
            facts = facts_of(member)
        number = self._numbers.acquire(facts, holders)
        if number not in self._samples:
            self._samples[number] = member
            self._taken += _size(member)
        return number

    def acquire_all(self, members: MemberBatch) -> list[int]:
        """Return the numbers of what the samples announce, for all ``members`` like them."""
        return [
            self.acquire(sample, holders) if holders else 0
            for sample, holders in zip(members.samples, members.counts(), strict=True)
        ]

    def release(self, number: int) -> None:
        """Release ``number`` for a member that announces this no longer."""
        self._members -= 1
        if self._numbers.release(number):
            self._taken -= _size(self._samples.pop(number))

    def _fits(self, member: Member) -> bool:
        """Say whether there is room for its metadata, and log the first time that there is none."""
        room = max(self._room, self._room_for_each * self._members)
        fits = self._taken + _size(member) <= room
        if not fits and not self._full:
            log.warning("metadata not kept", first=str(member), bytes=self._taken, room=room)
        self._full |= not fits
        return fits

    def member(self, number: int, name: str) -> Member:
        """Return the member called ``name`` that announces what has this ``number``."""
        like = self._samples[number]
        return Member(like.group, name, like.zone, like.owner, like.metadata)


def _plain(member: Member) -> Member:
    return Member(member.group, member.name, member.zone, member.owner)


def _size(member: Member) -> int:
    """Return the bytes of memory that its metadata takes.

    A text of characters of all kinds takes four bytes for each.
    """
    metadata = member.metadata
    if not metadata:
        return 0
    return _ENTRY + sum(map(getsizeof, metadata)) + sum(map(getsizeof, metadata.values()))
