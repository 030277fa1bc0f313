"""What members announce besides their names, kept once however many announce the same."""

from collections.abc import Iterable, Sequence

from musterd.model import Member
from musterd_coordinator.numbers import Numbers

_Facts = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Announced:
    """Group, zone, owner and metadata by a small number; kept while somebody announces them."""

    def __init__(self) -> None:
        self._numbers = Numbers[_Facts]()
        self._samples: dict[int, Member] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, members: Iterable[Member]) -> list[int | None]:
        """The number of what each of ``members`` announces, if anybody does."""
        return list(map(self._numbers.number, map(_facts, members)))

    def take(self, member: Member) -> int:
        """The number of what ``member`` announces; to be given back when it no longer does."""
        return self.take_all([member])[0]

    def take_all(self, members: Sequence[Member]) -> list[int]:
        """The same for many."""
        numbers = self._numbers.take_all(list(map(_facts, members)))
        for number, member in dict(zip(numbers, members, strict=True)).items():
            self._samples.setdefault(number, member)
        return numbers

    def give(self, number: int) -> None:
        """One member announces it no longer."""
        if self._numbers.give(number):
            del self._samples[number]

    def member(self, number: int, name: str) -> Member:
        """The member of that name who announces it."""
        like = self._samples[number]
        return Member(like.group, name, like.zone, like.owner, like.metadata)


def _facts(member: Member) -> _Facts:
    metadata = tuple(sorted(member.metadata.items())) if member.metadata else ()
    return member.group, member.zone, member.owner, metadata
