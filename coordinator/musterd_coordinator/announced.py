"""What members announce besides their names, kept once however many announce the same."""

from collections.abc import Sequence

from musterd.model import Member
from musterd_coordinator.alike import Alike, Facts, facts_of
from musterd_coordinator.numbers import Numbers


class Announced:
    """Group, zone, owner and metadata by a small number; kept while somebody announces them."""

    def __init__(self) -> None:
        self._numbers = Numbers[Facts]()
        self._samples: dict[int, Member] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, samples: Sequence[Member]) -> list[int | None]:
        """The number of what each of ``samples`` announces, if anybody does."""
        return [self._numbers.number(facts_of(sample)) for sample in samples]

    def take(self, member: Member, holders: int = 1) -> int:
        """The number of what ``member`` announces; to be given back by each of ``holders``."""
        number = self._numbers.take(facts_of(member), holders)
        self._samples.setdefault(number, member)
        return number

    def take_all(self, members: Alike) -> list[int]:
        """The numbers of what the samples announce, for all ``members`` who announce the same."""
        return [
            self.take(sample, holders) if holders else 0
            for sample, holders in zip(members.samples, members.counts(), strict=True)
        ]

    def give(self, number: int) -> None:
        """One member announces it no longer."""
        if self._numbers.give(number):
            del self._samples[number]

    def member(self, number: int, name: str) -> Member:
        """The member of that name who announces it."""
        like = self._samples[number]
        return Member(like.group, name, like.zone, like.owner, like.metadata)
